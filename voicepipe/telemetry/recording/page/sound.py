"""The sound of a page: what is drawn of it, and what is listened to."""

from __future__ import annotations

import struct
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicepipe.audio.g711 import ulaw_encode
from voicepipe.telemetry.recording.tracks import TRACK_RATE

_HEADER_BYTES: Final = 44
_STEP_MS: Final = 10
_LONG_MS: Final = 15 * 60_000
"""A longer call is heard as on a telephone, so that a browser can hold it."""
_MU_LAW: Final = 7


def page_sound(tracks: Path) -> dict[str, Any]:
    """Return both tracks as peaks and as a WAV file, in base64.

    The peaks are one byte for each 10 ms. The file is mu-law: half as large as s16le, and every browser plays it.
    """
    both = np.fromfile(tracks, np.int16, offset=_HEADER_BYTES).reshape(-1, 2)
    is_long = len(both) * 1000 / TRACK_RATE > _LONG_MS
    return {
        "stepMs": _STEP_MS,
        "caller": _peaks(both[:, 0]),
        "bot": _peaks(both[:, 1]),
        "wav": b64encode(
            _wav(_halved(both) if is_long else both, TRACK_RATE // (2 if is_long else 1))
        ).decode(),
    }


def _peaks(samples: NDArray[np.int16]) -> str:
    step = TRACK_RATE * _STEP_MS // 1000
    padded = np.pad(samples, (0, -len(samples) % step)).astype(np.int32)
    loudest = np.abs(padded.reshape(-1, step)).max(axis=1) if len(padded) else np.zeros(0)
    # A square root, so that quiet speech is seen as well.
    return b64encode((np.sqrt(loudest / 32768) * 255).astype(np.uint8).tobytes()).decode()


def _halved(both: NDArray[np.int16]) -> NDArray[np.int16]:
    even = both[: len(both) // 2 * 2].astype(np.int32)
    return ((even[0::2] + even[1::2]) // 2).astype(np.int16)


def _wav(both: NDArray[np.int16], sample_rate: int) -> bytes:
    sound = ulaw_encode(both.tobytes())
    form = struct.pack("<HHIIHHH", _MU_LAW, 2, sample_rate, 2 * sample_rate, 2, 8, 0)
    head = struct.pack("<4sI4s4sI", b"RIFF", 38 + len(sound), b"WAVE", b"fmt ", 18)
    return head + form + struct.pack("<4sI", b"data", len(sound)) + sound
