"""A polyphase FIR for the ratios of telephony and realtime APIs, as a streaming core on samples.

Between 8, 16, 24 and 48 kHz every `down` samples of input give `up` samples of output. Each group of outputs is one
window of the input times one small matrix, so a chunk is one matrix product.

Coefficients are whole numbers of 1/32768 and samples are whole numbers, so in float64 every sum is exact, in whatever
order a linear-algebra library makes it. Hence the same samples come out whatever the chunking.
"""

from __future__ import annotations

from functools import cache
from math import gcd

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

RATES = (8000, 16000, 24000, 48000)
"""The rates between which this is used, in hertz."""

_SPAN = 32
"""The filter's length in samples of the lower rate: 2 ms of delay at 8 kHz."""
_CUTOFF = 0.489
"""Where the filter is at half, as a share of the lower rate: midway between what passes (0.42) and what must not (0.56)."""
_KAISER_BETA = 6.6
_ONE = 32768.0

Samples = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float64]


@cache
def _filter(up: int, down: int) -> tuple[_Floats, int]:
    """Return the matrix from a window of input to a group of outputs, and how many earlier samples a window begins with."""
    taps = _SPAN * max(up, down)
    middle = (taps - 1) / 2
    # The prototype runs at the input's rate times `up`, where the lower rate is 1/max(up, down).
    cutoff = _CUTOFF / max(up, down)
    time = np.arange(taps) - middle
    prototype = 2 * cutoff * np.sinc(2 * cutoff * time) * np.kaiser(taps, _KAISER_BETA) * up
    earlier = (taps - 1) // up
    later = (up - 1) * down // up
    matrix = np.zeros((earlier + later + 1, up))
    for row in range(-earlier, later + 1):
        for phase in range(up):
            index = phase * down - row * up
            if 0 <= index < taps:
                matrix[row + earlier, phase] = prototype[index]
    # Each output is a mean of inputs: without this, rounding would leave a hum on a constant level.
    matrix /= matrix.sum(axis=0)
    return np.ascontiguousarray(np.rint(matrix * _ONE)), earlier


class PolyphaseCore:
    """Resamples a stream of int16 samples between two of `RATES`.

    Args:
        in_rate: In hertz.
        out_rate: In hertz.
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        common = gcd(in_rate, out_rate)
        self._up, self._down = out_rate // common, in_rate // common
        self._matrix, self._earlier = _filter(self._up, self._down)
        self._window = len(self._matrix)
        self._buffer = np.zeros(4096)
        self._filled = self._earlier
        taps = _SPAN * max(self._up, self._down)
        self.delay_ms = 1000 * (taps - 1) / 2 / (in_rate * self._up)
        """The group delay, in milliseconds, the same at all frequencies."""

    def process(self, samples: Samples) -> Samples:
        """Return all output that `samples` and what came before them complete."""
        buffer = self._with_room_for(len(samples))
        end = self._filled + len(samples)
        buffer[self._filled : end] = samples
        groups = (end - self._window) // self._down + 1
        if groups <= 0:
            self._filled = end
            return np.empty(0, np.int16)
        step = buffer.strides[0]
        windows = as_strided(buffer, (groups, self._window), (step * self._down, step), writeable=False)
        # `dot` copies the overlapping windows into one block for the library; `matmul` would leave it out and be slower.
        sums = np.dot(windows, self._matrix)
        sums *= 1 / _ONE
        np.rint(sums, out=sums)
        np.minimum(sums, 32767, out=sums)
        np.maximum(sums, -32768, out=sums)
        used = groups * self._down
        self._filled = end - used
        buffer[: self._filled] = buffer[used:end].copy()
        return sums.astype(np.int16).reshape(-1)

    def flush(self) -> Samples:
        """Return the rest, down to the last sample that what came in has a part in; then it is as new."""
        rest = self.process(np.zeros(self._window + self._down - 1, np.int16))
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget what came in."""
        self._buffer[: self._earlier] = 0
        self._filled = self._earlier

    def _with_room_for(self, count: int) -> _Floats:
        if self._filled + count > len(self._buffer):
            larger = np.zeros(2 * (self._filled + count))
            larger[: self._filled] = self._buffer[: self._filled]
            self._buffer = larger
        return self._buffer
