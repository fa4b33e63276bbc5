"""Keys that were pressed as tones in the band (ITU-T Q.23), found in what was heard."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from voicepipe.transports.sound import Sound

_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_WINDOW_MS: Final = 20
_SHORTEST: Final = 2
"""Of windows in a row: Q.24 takes tones of 40 ms and longer."""
_QUIETEST_POWER: Final = 1e5
"""Mean square of the samples, -40 dB."""
_SHARE: Final = 0.85
"""Of a window's power that a pair of tones has; speech has more beside it."""
_TWIST: Final = 6.0
"""By how much one tone may be stronger than the other, in power."""


def keys_in(sound: Sound) -> str:
    """Return the keys whose tones are in a sound, in their order."""
    window = sound.sample_rate * _WINDOW_MS // 1000
    samples = np.frombuffer(sound.pcm, np.int16).astype(np.float64)
    turns = np.outer((*_ROWS, *_COLUMNS), np.arange(window)) / sound.sample_rate
    probes = (np.exp(-2j * np.pi * turns) * (2 / window)).astype(np.complex128)
    found, key, lasted = "", "", 0
    for begin in range(0, len(samples) - window + 1, window):
        now = _key_of(samples[begin : begin + window], probes)
        lasted = lasted + 1 if now == key else 1
        key = now
        if key and lasted == _SHORTEST:
            found += key
    return found


def _key_of(samples: npt.NDArray[np.float64], probes: npt.NDArray[np.complex128]) -> str:
    """Return the key whose tones fill a window, empty if there is none."""
    power = float(np.mean(samples**2))
    if power < _QUIETEST_POWER:
        return ""
    # A tone of amplitude a has the power a * a / 2.
    powers = np.abs(probes @ samples.astype(np.complex128)) ** 2 / 2
    row, column = int(np.argmax(powers[:4])), int(np.argmax(powers[4:]))
    first, second = float(powers[row]), float(powers[4 + column])
    is_pair = first + second >= _SHARE * power and max(first, second) <= _TWIST * min(first, second)
    return _KEYS[row][column] if is_pair else ""
