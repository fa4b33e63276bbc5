"""Ears, voice and voice activity that go together, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from voicepipe.errors import SettingsError
from voicepipe.local.speech import Ears, Voice, VoiceActivity
from voicepipe.local.speech.tones import ToneActivity, ToneEars, ToneVoice

SpeechEngineName: TypeAlias = Literal["local", "tones"]
"""The speech engines that come with voicepipe."""


@dataclass(frozen=True, slots=True)
class SpeechEngine:
    """All that a local server needs to hear and to speak; shared by its sessions.

    Parameters:
        name: What it is asked for by.
        ears: Speech to text.
        voice: Text to speech.
        activity: Makes the voice activity of one session, which remembers what that session heard.
        blocking: Whether ears and voice take so long that they belong on a thread. If not, running them in place
            keeps a test the same every time.
    """

    name: str
    ears: Ears
    voice: Voice
    activity: Callable[[], VoiceActivity]
    blocking: bool


def speech_engine(name: SpeechEngineName | str = "local") -> SpeechEngine:
    """Return the speech engine called `name`, loaded and warm.

    "local" is real speech: recognition and a voice whose models come inside their packages. "tones" codes words in
    tones, for tests: exact and instant.

    Raises:
        SettingsError: There is none of that name.
        MissingExtraError: Its packages are not installed.
    """
    if name not in _ENGINES:
        raise SettingsError("speech", f"there is no {name!r}; there are {', '.join(map(repr, _ENGINES))}")
    return _ENGINES[name]()


def _local() -> SpeechEngine:
    from voicepipe.local.speech.hibari import HibariVoice
    from voicepipe.local.speech.moonshine import MoonshineEars
    from voicepipe.local.speech.silero import SileroActivity

    voice = HibariVoice()
    voice.warm_up()
    return SpeechEngine("local", MoonshineEars(), voice, SileroActivity, blocking=True)


def _tones() -> SpeechEngine:
    return SpeechEngine("tones", ToneEars(), ToneVoice(), ToneActivity, blocking=False)


_ENGINES: Final[Mapping[str, Callable[[], SpeechEngine]]] = MappingProxyType(
    {"local": _local, "tones": _tones}
)
