"""How loud the user is, from the frames of a pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from pipecat.observers.base_observer import BaseObserver, FramePushed

from voicepipe.frames import InputAudioRawFrame

_QUIETEST_DB: Final = -60.0
_LOUDEST_DB: Final = -10.0


class LevelObserver(BaseObserver):
    """Tells how loud each piece of the user's sound is.

    Args:
        told: Called with 0 for silence to 1 for loud speech.
    """

    def __init__(self, told: Callable[[float], None]) -> None:
        super().__init__(observe_every_push=False)
        self._told = told

    async def on_push_frame(self, data: FramePushed) -> None:
        """Measure the user's sound where it comes in."""
        if data.first_push and isinstance(data.frame, InputAudioRawFrame):
            self._told(level_of(data.frame.audio))


def level_of(pcm: bytes) -> float:
    """Return how loud s16le sound is: 0 at -60 dB and below, 1 at -10 dB and above."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], np.int16).astype(np.float64) / 32768
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    loudness_db = 10 * math.log10(power) if power else _QUIETEST_DB
    return min(1.0, max(0.0, (loudness_db - _QUIETEST_DB) / (_LOUDEST_DB - _QUIETEST_DB)))
