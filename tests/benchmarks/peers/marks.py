"""Marks in sound that survive resampling and G.711: two pulses, whose distance is a number from 0 to 15.

A pulse is 1 ms wide and below 3 kHz; nothing else in the sound is loud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NUMBERS = 16
_LOUD = 8000
_PEAK = 24000
_WIDTH_MS = 0.15
_FIRST_GAP_MS, _GAP_STEP_MS = 4.0, 0.75
_WIDEST_MS = _FIRST_GAP_MS + NUMBERS * _GAP_STEP_MS
_APART_MS = 2.0
"""Two loud places nearer than this are one pulse, cut by the end of a chunk."""


def mark(number: int, sample_rate: int, duration_ms: int) -> tuple[npt.NDArray[np.int16], float]:
    """Return sound with a mark in its first 30 ms, and where its first pulse is in milliseconds.

    The pulse keeps away from the end of a 20 ms frame by more than a filter's delay, so that it stays in its message.
    """
    first_ms = 1.0 + (number * 7) % 12
    at_ms = np.arange(sample_rate * duration_ms // 1000) * 1000 / sample_rate
    sound = sum(
        _PEAK * np.exp(-(((at_ms - ms) / _WIDTH_MS) ** 2) / 2)
        for ms in (first_ms, first_ms + _FIRST_GAP_MS + number * _GAP_STEP_MS)
    )
    return np.asarray(sound).astype(np.int16), first_ms


@dataclass(frozen=True, slots=True)
class Found:
    """A mark that was found.

    Parameters:
        number: Its number.
        at_ms: When the message with its first pulse came.
        offset_ms: Where that pulse is in the message.
        rest_ms: How much sound follows the pulse in it.
    """

    number: int
    at_ms: float
    offset_ms: float
    rest_ms: float


class Finder:
    """Finds marks in a stream of s16le mono that comes in pieces."""

    def __init__(self, sample_rate: int) -> None:
        self._per_ms = sample_rate / 1000
        self._position = 0
        self._last_pulse_ms = float("-inf")
        self._first: tuple[float, Found] | None = None

    def take(self, pcm: bytes, now_ms: float) -> list[Found]:
        """Take a piece and return the marks that end in it."""
        samples = np.frombuffer(pcm[: len(pcm) & ~1], np.int16)
        began, self._position = self._position, self._position + len(samples)
        if not len(samples) or int(samples.max()) < _LOUD:
            return []
        found: list[Found] = []
        for index in _peaks(samples, int(_APART_MS * self._per_ms)):
            place_ms = (began + index) / self._per_ms
            if place_ms - self._last_pulse_ms < _APART_MS:
                continue
            self._last_pulse_ms = place_ms
            first = self._first
            if first is None or place_ms - first[0] > _WIDEST_MS:
                offset_ms, rest_ms = index / self._per_ms, (len(samples) - index) / self._per_ms
                self._first = place_ms, Found(0, now_ms, offset_ms, rest_ms)
                continue
            number = round((place_ms - first[0] - _FIRST_GAP_MS) / _GAP_STEP_MS)
            self._first = None
            if 0 <= number < NUMBERS:
                found.append(Found(number, first[1].at_ms, first[1].offset_ms, first[1].rest_ms))
        return found


def _peaks(samples: npt.NDArray[np.int16], apart: int) -> list[int]:
    """Return the loudest sample of each loud place."""
    peaks: list[int] = []
    for index in np.flatnonzero(samples > _LOUD).tolist():
        if not peaks or index - peaks[-1] >= apart:
            peaks.append(index)
        elif samples[index] > samples[peaks[-1]]:
            peaks[-1] = index
    return peaks
