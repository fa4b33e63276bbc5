"""The sound of a page: what is drawn of it, and what is listened to."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicepipe.audio.g711 import ulaw_encode
from voicepipe.telemetry.recording.tracks import TRACK_RATE

_HEADER_BYTES: Final = 44
_STEP_MS: Final = 10
_BLOCK: Final = 10 * TRACK_RATE
_LONG_MS: Final = 15 * 60_000
"""A longer call is heard as on a telephone, so that a browser can hold it."""
_MU_LAW: Final = 7


def page_sound(tracks: Path) -> dict[str, Any]:
    """Return both tracks as peaks and as a WAV file, in base64.

    The peaks are one byte for each 10 ms. The file is mu-law: half as large as s16le, and every browser plays it.
    """
    samples = (tracks.stat().st_size - _HEADER_BYTES) // 4
    is_long = samples * 1000 / TRACK_RATE > _LONG_MS
    caller, bot, sound = bytearray(), bytearray(), bytearray()
    for both in _blocks(tracks, samples):
        caller += _peaks(both[:, 0])
        bot += _peaks(both[:, 1])
        sound += ulaw_encode((_halved(both) if is_long else both).tobytes())
    head = _wav_head(len(sound), TRACK_RATE // (2 if is_long else 1))
    return {
        "stepMs": _STEP_MS,
        "caller": b64encode(caller).decode(),
        "bot": b64encode(bot).decode(),
        "wav": b64encode(head + sound).decode(),
    }


def _blocks(tracks: Path, samples: int) -> Iterator[NDArray[np.int16]]:
    """Return the sound ten seconds at a time, so that an hour of it is never in memory."""
    with tracks.open("rb") as file:
        file.seek(_HEADER_BYTES)
        for start in range(0, samples, _BLOCK):
            read = file.read(4 * min(_BLOCK, samples - start))
            yield np.frombuffer(read, np.int16).reshape(-1, 2)


def _peaks(samples: NDArray[np.int16]) -> bytes:
    step = TRACK_RATE * _STEP_MS // 1000
    padded = np.pad(samples, (0, -len(samples) % step)).astype(np.int32)
    loudest = np.abs(padded.reshape(-1, step)).max(axis=1)
    # A square root, so that quiet speech is seen as well.
    return (np.sqrt(loudest / 32768) * 255).astype(np.uint8).tobytes()


def _halved(both: NDArray[np.int16]) -> NDArray[np.int16]:
    even = both[: len(both) // 2 * 2].astype(np.int32)
    return ((even[0::2] + even[1::2]) // 2).astype(np.int16)


def _wav_head(size: int, sample_rate: int) -> bytes:
    form = struct.pack("<HHIIHHH", _MU_LAW, 2, sample_rate, 2 * sample_rate, 2, 8, 0)
    head = struct.pack("<4sI4s4sI", b"RIFF", 38 + size, b"WAVE", b"fmt ", 18)
    return head + form + struct.pack("<4sI", b"data", size)
