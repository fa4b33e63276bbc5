"""G.711, the telephone's coding: mu-law and A-law to and from s16le, bit-exact to the ITU-T standard.

Coding is a look-up in a table of all 65,536 samples, made from the standard's rules when it is first used.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

# What each chunk needs, by name: see `voicepipe.audio.polyphase`.
from numpy import frombuffer, uint8

from voicepipe.errors import AudioFormatError

_Bytes = npt.NDArray[np.uint8]
_Samples = npt.NDArray[np.int16]

_MULAW_BIAS = 33
_MULAW_CLIP = 8158
"""On the 14-bit scale of G.711's mu-law; anything louder sounds the same."""
_A_EVEN_BITS = 0x55
"""A-law inverts every other bit on the line, so that silence is not all zeros."""


def ulaw_encode(pcm: bytes) -> bytes:
    """Return s16le as mu-law, one byte a sample.

    Raises:
        AudioFormatError: `pcm` ends within a sample.
    """
    return _encode(pcm, _ulaw_table())


def ulaw_decode(sound: bytes) -> bytes:
    """Return mu-law as s16le, two bytes a sample."""
    return _ulaw_values().take(frombuffer(sound, uint8)).tobytes()


def alaw_encode(pcm: bytes) -> bytes:
    """Return s16le as A-law, one byte a sample.

    Raises:
        AudioFormatError: `pcm` ends within a sample.
    """
    return _encode(pcm, _alaw_table())


def alaw_decode(sound: bytes) -> bytes:
    """Return A-law as s16le, two bytes a sample."""
    return _alaw_values().take(frombuffer(sound, uint8)).tobytes()


def _encode(pcm: bytes, table: _Bytes) -> bytes:
    if len(pcm) % 2:
        raise AudioFormatError(f"pcm: {len(pcm)} bytes end within a sample of two bytes")
    return table.take(frombuffer(pcm, "<u2")).tobytes()


def _all_samples() -> npt.NDArray[np.int32]:
    """All 16-bit samples, in the order of their bit patterns taken as unsigned numbers."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segment_of(magnitude: npt.NDArray[np.int32], lowest_bit: int) -> npt.NDArray[np.int32]:
    """How many times a magnitude can be halved before it falls below `1 << (lowest_bit + 1)`, at most 7."""
    segment = np.zeros_like(magnitude)
    for bit in range(lowest_bit + 1, lowest_bit + 8):
        segment += magnitude >= (1 << bit)
    return segment


@cache
def _ulaw_table() -> _Bytes:
    # The standard codes 14 bits; a negative sample is brought there by an arithmetic shift, like a positive one.
    samples = _all_samples() >> 2
    negative = samples < 0
    magnitude = np.minimum(np.abs(samples), _MULAW_CLIP) + _MULAW_BIAS
    segment = _segment_of(magnitude, 5)
    mantissa = (magnitude >> (segment + 1)) & 0x0F
    code = (segment << 4) | mantissa
    return (code ^ np.where(negative, 0x7F, 0xFF)).astype(np.uint8)


@cache
def _ulaw_values() -> _Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = ((((mantissa << 1) + _MULAW_BIAS) << segment) - _MULAW_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


@cache
def _alaw_table() -> _Bytes:
    # The standard codes 13 bits, with the negative half mirrored at -1, not at 0.
    samples = _all_samples() >> 3
    negative = samples < 0
    magnitude = np.where(negative, -samples - 1, samples)
    segment = _segment_of(magnitude, 4)
    mantissa = (magnitude >> np.maximum(segment, 1)) & 0x0F
    code = (segment << 4) | mantissa
    return (code ^ np.where(negative, _A_EVEN_BITS, _A_EVEN_BITS | 0x80)).astype(np.uint8)


@cache
def _alaw_values() -> _Samples:
    code = np.arange(256, dtype=np.int32) ^ _A_EVEN_BITS
    segment, mantissa = (code >> 4) & 0x07, code & 0x0F
    linear = (mantissa << 4) + 8
    magnitude = np.where(segment == 0, linear, (linear + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
