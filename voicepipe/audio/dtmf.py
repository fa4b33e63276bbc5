"""The sound of telephone keys (ITU-T Q.23): two tones at once for each."""

from __future__ import annotations

from typing import Final

import numpy as np

_LOW: Final = (697.0, 770.0, 852.0, 941.0)
_HIGH: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_ROWS: Final = ("123A", "456B", "789C", "*0#D")
_TONES: Final = {
    key: (low, high)
    for row, low in zip(_ROWS, _LOW, strict=True)
    for key, high in zip(row, _HIGH, strict=True)
}
_LEVEL: Final = 0.2
"""Of full scale, each tone: about -14 dBFS, as telephones send them."""


def dtmf_sound(keys: str, sample_rate: int, *, tone_ms: int = 100, gap_ms: int = 60) -> bytes:
    """Return the sound of keys that are pressed one after the other, s16le mono.

    Args:
        keys: Any of `0` to `9`, `*`, `#`, `A` to `D`.
        sample_rate: In hertz.
        tone_ms: How long a key sounds; Q.24 has receivers take 40 ms and longer.
        gap_ms: How long it is quiet after each.

    Raises:
        ValueError: There is no such key.
    """
    times = np.arange(sample_rate * tone_ms // 1000) / sample_rate
    gap = np.zeros(sample_rate * gap_ms // 1000, "<i2")
    parts: list[bytes] = []
    for key in keys:
        if key not in _TONES:
            raise ValueError(f"keys: {key!r} is none of {''.join(_ROWS)}")
        low, high = _TONES[key]
        both = np.sin(2 * np.pi * low * times) + np.sin(2 * np.pi * high * times)
        parts += [(both * _LEVEL * 32767).astype("<i2").tobytes(), gap.tobytes()]
    return b"".join(parts)
