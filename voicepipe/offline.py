"""`openai_or_local`: OpenAI where there is a key, and a server on this machine where there is none.

For bots that are tried: examples, `voicepipe run` and `voicepipe talk` stand on it. A bot in earnest names its own address.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cached_property

from voicepipe.local import Faults, LocalServer, Pace
from voicepipe.local.brain import Brain
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.services.openai.realtime.access import openai_address
from voicepipe.transports.sound import Sound

KEY_VARIABLE = "OPENAI_API_KEY"
SPEECH_VARIABLE = "VOICEPIPE_SPEECH"


class OpenAIPlace:
    """Where a bot finds the Realtime API.

    Args:
        base_url: What a service takes as its `base_url`.
        api_key: The key; it does not appear in a repr.
        is_local: Whether it is the server on this machine.
        speech: The server's ears and voice.
    """

    def __init__(
        self, base_url: str, api_key: str, *, is_local: bool, speech: SpeechEngine | None = None
    ) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.is_local = is_local
        self._given_speech = speech

    def __repr__(self) -> str:
        return f"OpenAIPlace({self.base_url!r}, is_local={self.is_local})"

    @property
    def short_name(self) -> str:
        """What it is, in two words."""
        return "local server" if self.is_local else "OpenAI"

    @property
    def description(self) -> str:
        """What it is, for a person."""
        return f"the local server at {self.base_url}" if self.is_local else f"OpenAI at {self.base_url}"

    def spoken(self, text: str) -> Sound:
        """Return `text` as a caller says it, in the local voice.

        Raises:
            MissingExtraError: The voice is not installed.
        """
        voice = self._speech.voice
        return Sound(b"".join(piece.tobytes() for piece in voice.speak(text)), voice.sample_rate)

    def understood(self, sound: Sound) -> str:
        """Return the words that the local ears find in `sound`.

        Raises:
            MissingExtraError: The ears are not installed.
        """
        import numpy as np

        return self._speech.ears.listen(np.frombuffer(sound.pcm, np.int16), sound.sample_rate)

    @cached_property
    def _speech(self) -> SpeechEngine:
        return self._given_speech or _speech_engine()


@asynccontextmanager
async def openai_or_local(
    *,
    local: bool | None = None,
    brain: Brain | None = None,
    pace: Pace | None = None,
    faults: Faults | None = None,
) -> AsyncGenerator[OpenAIPlace]:
    """Say where the Realtime API is: OpenAI if `OPENAI_API_KEY` is set, else a server that runs as long as this is entered.

        async with openai_or_local() as openai:
            llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)

    `OPENAI_BASE_URL` names another server in OpenAI's place. `VOICEPIPE_SPEECH=tones` has the local server hear and speak in
    coded tones, for tests.

    Args:
        local: True takes the local server also where there is a key; None goes by the key.
        brain: What the local server answers; without it, the script that comes along.
        pace: How the local server's sound goes out.
        faults: What goes wrong on the local server.

    Raises:
        MissingExtraError: There is no key, and the local server's ears and voice are not installed.
        SettingsError: `VOICEPIPE_SPEECH` names no speech engine, or `OPENAI_BASE_URL` is no URL.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if key and not local:
        yield OpenAIPlace(live_url(), key, is_local=False)
        return
    speech = _speech_engine()
    async with LocalServer(speech=speech, brain=brain or ScriptBrain(), pace=pace, faults=faults) as server:
        yield OpenAIPlace(server.url, "local", is_local=True, speech=speech)


def live_url() -> str:
    """Return OpenAI's address, or that of whatever `OPENAI_BASE_URL` names in its place.

    Raises:
        SettingsError: `OPENAI_BASE_URL` is no URL.
    """
    return openai_address()


def _speech_engine() -> SpeechEngine:
    return speech_engine(os.environ.get(SPEECH_VARIABLE) or "local")
