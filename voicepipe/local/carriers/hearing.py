"""What was heard on a call and when: pieces of sound between silences, the words in them, and how long an answer took."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from voicepipe.local.speech import Ears
from voicepipe.transports.sound import Sound

_WINDOW_MS: Final = 10
_SILENT_PEAK: Final = 200
"""On the 16-bit scale, -44 dB: below it is what G.711 makes of silence and what voices have between words."""
_MARGIN_MS: Final = 150
"""Of silence that ears get around a piece: a word's soft beginning is below the peak."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound between two silences.

    Parameters:
        from_ms: When it begins, from the beginning of the call.
        until_ms: When it ends.
        text: The words in it, if somebody has listened.
    """

    from_ms: float
    until_ms: float
    text: str = ""


def pieces_of(sound: Sound, *, gap_ms: float = 700.0) -> list[Piece]:
    """Return the pieces of a sound; pauses shorter than `gap_ms` belong to a piece."""
    loud = np.flatnonzero(_loud_windows(sound))
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) * _WINDOW_MS > gap_ms)
    firsts = [int(loud[0]), *(int(loud[place + 1]) for place in breaks)]
    lasts = [*(int(loud[place]) for place in breaks), int(loud[-1])]
    return [
        Piece(first * _WINDOW_MS, (last + 1) * _WINDOW_MS) for first, last in zip(firsts, lasts, strict=True)
    ]


def ends_ms(sound: Sound) -> float:
    """Return when the last sound in it ends, in milliseconds; 0 if it is silent."""
    loud = np.flatnonzero(_loud_windows(sound))
    return (int(loud[-1]) + 1) * _WINDOW_MS if len(loud) else 0.0


def with_words(sound: Sound, pieces: Sequence[Piece], ears: Ears) -> list[Piece]:
    """Return pieces of a sound with the words in them. It blocks while the ears listen."""
    samples = np.frombuffer(sound.pcm, np.int16)
    return [
        replace(piece, text=ears.listen(_cut(samples, piece, sound.sample_rate), sound.sample_rate).strip())
        for piece in pieces
    ]


def answer_ms(pieces: Sequence[Piece], asked_ms: float) -> float | None:
    """Return how long after `asked_ms` the next piece began; None if there is none."""
    begins = [piece.from_ms for piece in pieces if piece.from_ms >= asked_ms]
    return begins[0] - asked_ms if begins else None


def write_wav(path: Path, sound: Sound) -> None:
    """Write a sound as it is, silence at its beginning included.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("wb") as disk, wave.open(disk, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.sample_rate)
        file.writeframes(sound.pcm)


def _loud_windows(sound: Sound) -> npt.NDArray[np.bool_]:
    samples = np.abs(np.frombuffer(sound.pcm, np.int16).astype(np.int32))
    window = sound.sample_rate * _WINDOW_MS // 1000
    padded = np.pad(samples, (0, -len(samples) % window))
    return padded.reshape(-1, window).max(axis=1, initial=0) >= _SILENT_PEAK


def _cut(samples: npt.NDArray[np.int16], piece: Piece, sample_rate: int) -> npt.NDArray[np.int16]:
    first = round(max(0.0, piece.from_ms - _MARGIN_MS) * sample_rate / 1000)
    return samples[first : round((piece.until_ms + _MARGIN_MS) * sample_rate / 1000)]
