"""A polyphase FIR for the ratios of telephony and realtime APIs, as a streaming core on samples.

Between 8, 16, 24 and 48 kHz every `down` samples of input give `up` samples of output, a group. Each group is one
window of the input times one small matrix, so a chunk is one matrix product.

Samples are whole numbers and coefficients are whole multiples of 2^-24, so in float64 every sum is exact, in whatever
order and with whatever kernel a linear-algebra library makes it. Hence the same samples come out whatever the chunking.
"""

from __future__ import annotations

from functools import cache
from math import gcd

import numpy as np
import numpy.typing as npt

# What each chunk needs: numpy's module has a `__getattr__`, which makes a look-up there as dear as a small call.
from numpy import dot, empty, int16, maximum, minimum, rint
from numpy.lib.stride_tricks import as_strided

RATES = (8000, 16000, 24000, 48000)
"""The rates between which this is used, in hertz."""

_SPAN = 32
"""The filter's length in samples of the lower rate: 2 ms of delay at 8 kHz."""
_CUTOFF = 0.489
"""Where the filter is at half, as a share of the lower rate: midway between what passes (0.42) and what must not (0.56)."""
_KAISER_BETA = 6.6
_ONE = float(1 << 24)
"""A coefficient's unit is 1/_ONE: so fine that rounding costs nothing; at 1/32768, 48 to 8 kHz lost 4 dB of rejection."""

_GROUPS = 8
"""So many groups share one longer window where there are enough of them: windows overlap, and to copy them out for the
library costs more than to multiply. Measured, a chunk of 20 ms takes half the time."""
_PRODUCT = 200_000
"""Longer chunks are taken in pieces whose product has at most so many multiplications: below 2^18 OpenBLAS stays in its
caller's thread. Beyond, its other threads spin: measured, 1.7 times the CPU for the same time, also for a while after."""
_LONGEST_PIECE = 4096
"""In samples; so memory stays small however long a chunk is."""

Samples = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float64]


@cache
def _filter(up: int, down: int) -> tuple[_Floats, int]:
    """Return the matrix from a window of input to a group of outputs, and how many earlier samples a window begins with."""
    taps = _taps(up, down)
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
    # Each output is a mean of inputs: without this, a constant level would hum at the rate of the phases.
    matrix /= matrix.sum(axis=0)
    return rint(matrix * _ONE) / _ONE, earlier


def _taps(up: int, down: int) -> int:
    return _SPAN * max(up, down)


@cache
def _repeated(up: int, down: int) -> _Floats:
    """Return the matrix from one longer window to `_GROUPS` groups: the filter's, down a diagonal."""
    matrix, _ = _filter(up, down)
    window = len(matrix)
    wide = np.zeros((window + (_GROUPS - 1) * down, _GROUPS * up))
    for group in range(_GROUPS):
        wide[group * down : group * down + window, group * up : (group + 1) * up] = matrix
    return wide


class PolyphaseCore:
    """Resamples a stream of int16 samples between two of `RATES`.

    Every chunk's output comes at once: `n` samples give `n * out_rate / in_rate`, rounded to a whole group, shifted by
    the group delay. A 20 ms chunk gives 20 ms, so what makes packets downstream never waits for the next one. (With the
    delay taken off the stream's beginning instead, packets of 20 ms left 18 ms later: each had to wait for one more chunk.)

    Args:
        in_rate: In hertz.
        out_rate: In hertz.
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        common = gcd(in_rate, out_rate)
        self._up, self._down = out_rate // common, in_rate // common
        self._matrix, self._earlier = _filter(self._up, self._down)
        self._wide = _repeated(self._up, self._down)
        self._window = len(self._matrix)
        self._piece = min(_LONGEST_PIECE, _PRODUCT * self._down // (self._up * len(self._wide)))
        # Less than a window is left over from one piece to the next.
        self._buffer = np.zeros(self._window + self._piece)
        self._windows = _rolling(self._buffer, self._window, self._down)
        self._wide_windows = _rolling(self._buffer, len(self._wide), self._down * _GROUPS)
        self._filled = self._earlier
        self._taken = self._given = 0
        self.delay_ms = 1000 * (_taps(self._up, self._down) - 1) / 2 / (in_rate * self._up)
        """The group delay, in milliseconds, the same at all frequencies."""

    def process(self, samples: Samples) -> Samples:
        """Return all output that `samples` and what came before them complete."""
        out = empty(self._groups(self._filled + len(samples)) * self._up, int16)
        given = 0
        for start in range(0, len(samples), self._piece):
            given += self._process_piece(samples[start : start + self._piece], out[given:])
        self._taken += len(samples)
        self._given += given
        return out

    def flush(self) -> Samples:
        """Return the rest, down to the last sample that what came in has a part in; then it is as new.

        Over the whole stream, `n > 0` samples have then given `((n - 1) * up + taps - 1) // down + 1`: their own length
        and twice the group delay. None give none.
        """
        last = (self._taken - 1) * self._up + _taps(self._up, self._down) - 1
        wanted = last // self._down + 1 - self._given if self._taken else 0
        rest = self.process(np.zeros(self._window + self._down, np.int16))[:wanted]
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget what came in."""
        self._buffer[: self._earlier] = 0
        self._filled = self._earlier
        self._taken = self._given = 0

    def _groups(self, length: int) -> int:
        """How many groups' windows fit into the first `length` samples of the buffer."""
        return max(0, (length - self._window) // self._down + 1)

    def _process_piece(self, samples: Samples, out: Samples) -> int:
        """Put what `samples` complete at the beginning of `out` and return how many samples that is."""
        buffer, up = self._buffer, self._up
        end = self._filled + len(samples)
        buffer[self._filled : end] = samples
        groups = self._groups(end)
        repeats, single = divmod(groups, _GROUPS)
        if repeats:
            _round(dot(self._wide_windows[:repeats], self._wide), out[: repeats * _GROUPS * up])
        if single:
            rest = dot(self._windows[repeats * _GROUPS : groups], self._matrix)
            _round(rest, out[repeats * _GROUPS * up : groups * up])
        used = groups * self._down
        self._filled = end - used
        if used:
            # numpy copies overlapping slices as if through a third place.
            buffer[: self._filled] = buffer[used:end]
        return groups * up


def _rolling(buffer: _Floats, window: int, step: int) -> _Floats:
    """Return all windows of that length in the buffer, a step apart, as rows that share its memory."""
    rows = (len(buffer) - window) // step + 1
    [stride] = buffer.strides
    return as_strided(buffer, (rows, window), (step * stride, stride), writeable=False)


def _round(sums: _Floats, out: Samples) -> None:
    """Put sums into `out` as int16: rounded, and limited, since beyond the largest sample they would wrap."""
    rint(sums, out=sums)
    minimum(sums, 32767, out=sums)
    maximum(sums, -32768, out=sums)
    out[:] = sums.reshape(-1)
