"""Speech coded in tones, for conversations that are exact to the millisecond."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.local.speech.tones import ToneEars, ToneVoice
from voicepipe.transports.sound import Sound, read_wav


def spoken(text: str, sample_rate: int = 24000) -> Sound:
    """`text` as a caller says it."""
    return Sound(np.concatenate(list(ToneVoice(sample_rate).speak(text))).tobytes(), sample_rate)


def heard(sound: Sound) -> str:
    """The words in some sound."""
    return ToneEars().listen(np.frombuffer(sound.pcm, np.int16), sound.sample_rate)


def heard_in(path: Path) -> str:
    """The words in a WAV file."""
    return heard(read_wav(path))


def tone_server(script: str | None = None, **kwargs: Any) -> LocalServer:
    """The local server with a script (in YAML) or the default one, speaking in tones."""
    brain = ScriptBrain(Script.load(script) if script else Script.default())
    return LocalServer(speech=speech_engine("tones"), brain=brain, **kwargs)
