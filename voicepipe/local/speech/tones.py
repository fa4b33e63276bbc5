"""Ears, a voice and voice activity that only code words in tones: exact, fast and the same every time.

They are for tests that count samples and compare words. `ToneVoice` writes each byte of a text (UTF-8) as two
symbols, the high half of the byte and then the low one. A symbol is two sine waves at once:

- the clock, which says which half this is, so that boundaries show by themselves at any speed; and
- the data, one of sixteen frequencies.

All frequencies lie between 400 and 3100 Hz, so the words survive the telephone: 8 kHz, G.711, resampling, level
changes, any delay. Loudness is constant from the first sample to the last. Each utterance opens with the byte STX,
by which `ToneEars` knows where one ends and the next begins. Not for people: it sounds like a modem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import soxr  # pyright: ignore[reportMissingTypeStubs]

from voicepipe.local.speech import Pcm

_Samples = npt.NDArray[np.float32]
_Amplitudes = npt.NDArray[np.float32]

_CLOCKS: Final = (400.0, 3100.0)
_DATA: Final = tuple(800.0 + 125.0 * nibble for nibble in range(16))
_START: Final = 0x02
_RATE: Final = 8000
_SHORTEST_CHARACTER_MS: Final = 14.0

# 5 ms of Hann has its first null 400 Hz away, where the nearest data tone is: the clock is read undisturbed.
_CLOCK_WINDOW: Final = 40
# Half of the quietest voice that is to be understood (12 dB down) is far above this, G.711's idle noise far below.
_SILENCE: Final = 0.01
_SHORTEST_SYMBOL: Final = _SHORTEST_CHARACTER_MS / 2000 * _RATE
# A symbol that is this much shorter than the others (1.25 ms) was cut.
_SLACK: Final = 10
# Resampling and the neighbour smear this much of either end of a symbol (0.5 ms).
_SMEAR: Final = 4
_LONGEST_LOOK: Final = 160


class ToneVoice:
    """Speaks text as tones.

    Parameters:
        sample_rate: Of the sound it gives, in hertz; 8000 or more.
        character_ms: How long one byte of the text (UTF-8) lasts, in milliseconds; 14 or more. Long ones make long
            answers of few words; the ears find out by themselves.
        level: Amplitude of the sum of the tones, 0 to 1 of full scale.
        piece_ms: How much sound `speak` gives at a time, in milliseconds.
    """

    def __init__(
        self,
        sample_rate: int = 24000,
        *,
        character_ms: float = 16.0,
        level: float = 0.25,
        piece_ms: int = 100,
    ) -> None:
        if sample_rate < _RATE:
            raise ValueError(f"sample_rate is {sample_rate} Hz; tones need {_RATE} or more")
        if character_ms < _SHORTEST_CHARACTER_MS:
            raise ValueError(f"character_ms is {character_ms}; shorter than {_SHORTEST_CHARACTER_MS:g} blurs")
        self.sample_rate = sample_rate
        self.character_ms = character_ms
        self._amplitude = level / 2 * 32767
        self._piece = max(1, sample_rate * piece_ms // 1000)

    def duration_ms(self, text: str) -> float:
        """Return how long `speak(text)` sounds, in milliseconds; the first character starts after one `character_ms`."""
        return len(_bytes_of(text)) * self.character_ms

    def speak(self, text: str) -> Iterator[Pcm]:
        """Yield the tones of `text`, piece by piece; nothing for a text of white space."""
        data = _bytes_of(text)
        symbols = np.array([half for byte in data for half in (byte >> 4, byte & 15)], dtype=np.intp)
        symbol_samples = self.character_ms / 2000 * self.sample_rate
        # Boundaries are rounded one by one, so that no drift adds up over a long text.
        edges = np.rint(np.arange(len(symbols) + 1) * symbol_samples).astype(np.intp)
        lengths = np.diff(edges)
        clock = np.repeat(np.tile(_CLOCKS, len(data)), lengths)
        tone = np.repeat(np.asarray(_DATA)[symbols], lengths)
        wave = self._sine(clock) + self._sine(tone)
        pcm = np.rint(wave * self._amplitude).astype(np.int16)
        for start in range(0, len(pcm), self._piece):
            yield pcm[start : start + self._piece]

    def _sine(self, frequency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return a sine of the given frequency at each sample; its phase is continuous, so it stays in its band."""
        return np.sin(2 * np.pi * np.cumsum(frequency) / self.sample_rate)


def _bytes_of(text: str) -> bytes:
    data = text.encode(errors="replace").replace(bytes([_START]), b"")
    return bytes([_START]) + data if data.strip() else b""


class ToneEars:
    """Reads what `ToneVoice` spoke, anywhere in the sound.

    Of an utterance that was cut off it gives the characters that are complete; of other sound, nothing. Utterances
    that follow one another are joined by a space.
    """

    def listen(self, pcm: Pcm, sample_rate: int) -> str:
        """Return the words in `pcm`, or "" where there are none."""
        sound = _at_reading_rate(pcm, sample_rate)
        if len(sound) < _CLOCK_WINDOW:
            return ""
        data = b"".join(_bytes_in(run) for run in _runs_of_symbols(sound))
        utterances = (part.decode(errors="ignore") for part in data.split(bytes([_START])))
        return " ".join(utterance for utterance in utterances if utterance)


class ToneActivity:
    """Takes everything that is loud enough for speech.

    Parameters:
        sample_rate: Of the sound it takes, in hertz.
        window: How many samples it takes at a time.
        threshold: The root mean square from which a window is speech, 0 to 1 of full scale.
    """

    def __init__(self, *, sample_rate: int = 16000, window: int = 512, threshold: float = 0.01) -> None:
        self.sample_rate = sample_rate
        self.window = window
        self._threshold = threshold * 32768

    def confidence(self, pcm: Pcm) -> float:
        """Return 1.0 for a window that is loud enough, else 0.0."""
        return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))) > self._threshold)

    def reset(self) -> None:
        """Do nothing: each window stands alone."""


@dataclass(frozen=True, slots=True)
class _Symbol:
    """Half a byte as it was read; `length` in samples at the reading rate."""

    is_low: bool
    nibble: int | None
    length: int


def _at_reading_rate(pcm: Pcm, sample_rate: int) -> _Samples:
    sound = pcm.astype(np.float32) / np.float32(32768)
    if sample_rate == _RATE:
        return sound
    return np.asarray(soxr.resample(sound, sample_rate, _RATE), dtype=np.float32)  # pyright: ignore[reportUnknownMemberType]


def _clock_amplitudes(sound: _Samples) -> _Amplitudes:
    """Return the amplitude of either clock around each sample: (len(sound), 2)."""
    half = _CLOCK_WINDOW // 2
    padded = np.pad(sound, (half, half - 1))
    # A Hann window that is even about its middle, so that an edge shows where it is and not half a sample off.
    hann = np.hanning(_CLOCK_WINDOW + 2)[1:-1]
    time = np.arange(_CLOCK_WINDOW) / _RATE

    def amplitude(clock: float) -> _Amplitudes:
        angle = 2 * np.pi * clock * time
        window = hann * 2 / hann.sum()
        in_phase = _correlated(padded, window * np.cos(angle))
        quadrature = _correlated(padded, window * np.sin(angle))
        return np.hypot(in_phase, quadrature)

    return np.stack([amplitude(clock) for clock in _CLOCKS], axis=1)


def _correlated(sound: _Samples, probe: npt.NDArray[np.float64]) -> _Amplitudes:
    return cast(_Amplitudes, np.correlate(sound, probe.astype(np.float32)))


def _runs_of_symbols(sound: _Samples) -> Iterator[list[_Symbol]]:
    """Yield the symbols of each stretch of sound that has silence around it."""
    clocks = _clock_amplitudes(sound)
    loudness = clocks.sum(axis=1)
    for start, end in _stretches(loudness > _SILENCE):
        high, low = _evened(clocks[start:end])
        # At half of its usual loudness the window is half filled: there is the true edge.
        loud = np.flatnonzero(high + low > 0.5)
        if not len(loud):
            continue
        first, last = int(loud[0]), int(loud[-1]) + 1
        is_low = (low > high)[first:last]
        turns = (np.flatnonzero(np.diff(is_low)) + 1).tolist()
        edges = [0, *turns, last - first]
        yield [
            _Symbol(bool(is_low[a]), _nibble(sound[start + first + a : start + first + b]), b - a)
            for a, b in pairwise(edges)
        ]


def _evened(clocks: _Amplitudes) -> tuple[_Amplitudes, _Amplitudes]:
    """Return both clocks with 1.0 as their usual amplitude: a telephone lets the upper one through more weakly."""
    usual = np.quantile(clocks, 0.75, axis=0)
    even = (clocks / np.maximum(usual, usual.max() / 4)).astype(np.float32)
    return even[:, 0], even[:, 1]


def _stretches(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Return (start, end) of each run of True."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    return zip(changes[0::2].tolist(), changes[1::2].tolist(), strict=True)


def _nibble(sound: _Samples) -> int | None:
    """Return which data tone sounds, or None if this is not a symbol at all."""
    middle = sound[_SMEAR:-_SMEAR][:_LONGEST_LOOK]
    if len(middle) < _CLOCK_WINDOW // 2:
        return None
    time = np.arange(len(middle)) / _RATE
    probes = np.exp(-2j * np.pi * np.outer((*_CLOCKS, *_DATA), time))
    power = np.abs(probes @ middle) ** 2 / len(middle)
    clock, data = power[:2].max(), power[2:].max()
    is_pure = 2 * (clock + data) > 0.6 * float(np.square(middle).sum())
    return int(power[2:].argmax()) if is_pure else None


def _bytes_in(run: list[_Symbol]) -> bytes:
    """Return the bytes both of whose halves are whole."""
    usual = max(_SHORTEST_SYMBOL, *(_usual_length(run, is_low=is_low) for is_low in (False, True)))
    return bytes(
        high.nibble << 4 | low.nibble
        for high, low in pairwise(run)
        if high.nibble is not None and low.nibble is not None
        if not high.is_low and min(high.length, low.length) > usual - _SLACK
    )


def _usual_length(run: list[_Symbol], *, is_low: bool) -> float:
    lengths = [symbol.length for symbol in run if symbol.is_low == is_low]
    # The last symbol may be cut, so it has no say unless it is the only one.
    if run[-1].is_low == is_low and len(lengths) > 1:
        lengths.pop()
    return float(np.median(lengths)) if lengths else 0.0
