"""Ears, a voice and voice activity behind small interfaces, so that each can be replaced by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]
"""Signed 16-bit mono samples."""


class Ears(Protocol):
    """Speech to text. Calls block; the server runs them on a thread."""

    def listen(self, pcm: Pcm, sample_rate: int) -> str:
        """Return the words in `pcm`, or "" where there are none."""
        ...


class Voice(Protocol):
    """Text to speech. Calls block; the server runs them on a thread."""

    sample_rate: int
    """The rate of the sound `speak` gives, in hertz."""

    def speak(self, text: str) -> Iterator[Pcm]:
        """Yield the sound of `text`, piece by piece, as soon as each is there."""
        ...


class VoiceActivity(Protocol):
    """Tells speech from silence, one window of sound after the other."""

    sample_rate: int
    """The rate of the sound it takes, in hertz."""
    window: int
    """How many samples it takes at a time."""

    def confidence(self, pcm: Pcm) -> float:
        """Return how sure it is that `pcm`, exactly `window` samples, is speech: 0 to 1."""
        ...

    def reset(self) -> None:
        """Forget what was heard before."""
        ...
