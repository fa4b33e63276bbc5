"""Ears that need no key and no network: moonshine-voice 0.1.0, whose tiny English model comes inside its package."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt
import soxr  # pyright: ignore[reportMissingTypeStubs]

from voicepipe.errors import MissingExtraError
from voicepipe.local.speech import Pcm

_RATE: Final = 16000
# Less than this holds no word, and the package refuses sound of no length.
_SHORTEST_MS: Final = 50


class MoonshineEars:
    """Understands English speech; about 25 ms of work for a second of sound.

    Raises:
        MissingExtraError: The extra "local" is not installed.
    """

    def __init__(self) -> None:
        self._transcriber = _load()
        # The package says nothing of threads, and one transcriber holds one model.
        self._lock = threading.Lock()

    def listen(self, pcm: Pcm, sample_rate: int) -> str:
        """Return the words in `pcm`, with capitals and punctuation, or "" where there are none."""
        if len(pcm) * 1000 < sample_rate * _SHORTEST_MS or not pcm.any():
            return ""
        sound = _at_its_rate(pcm, sample_rate)
        with self._lock:
            transcript = self._transcriber.transcribe_without_streaming(sound.tolist(), _RATE)
        return " ".join(line.text.strip() for line in transcript.lines if line.text.strip())


def _at_its_rate(pcm: Pcm, sample_rate: int) -> npt.NDArray[np.float32]:
    sound = pcm.astype(np.float32) / np.float32(32768)
    if sample_rate == _RATE:
        return sound
    return np.asarray(soxr.resample(sound, sample_rate, _RATE), dtype=np.float32)  # pyright: ignore[reportUnknownMemberType]


class _Line(Protocol):
    text: str


class _Transcript(Protocol):
    @property
    def lines(self) -> Sequence[_Line]: ...


class _Transcriber(Protocol):
    """What is used of `moonshine_voice.Transcriber`, which carries few types."""

    def transcribe_without_streaming(self, audio_data: list[float], sample_rate: int) -> _Transcript: ...


def _load() -> _Transcriber:
    try:
        # By name: importing all of the package wants a sound card.
        from moonshine_voice import (  # pyright: ignore[reportMissingTypeStubs]
            ModelArch,
            Transcriber,
            get_model_path,
        )
    except ImportError as missing:
        raise MissingExtraError("MoonshineEars", "local") from missing
    # Its own voice activity detection puts phantom words before speech that starts at once; ours has found the speech.
    options = {"vad_threshold": "0"}
    return cast(_Transcriber, Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options=options))
