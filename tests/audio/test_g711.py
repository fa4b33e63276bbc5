"""G.711 against the standard, written down once more here in the plainest way."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from voicepipe.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voicepipe.errors import AudioFormatError

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def ulaw_of(sample: int) -> int:
    """ITU-T G.711, table 2a: 14 bits, a bias of 33, eight segments each twice as wide as the one before."""
    value = sample >> 2
    sign = 0x80 if value >= 0 else 0
    magnitude = min(abs(value), 8158) + 33
    segment = 0
    while magnitude >= 64 << segment:
        segment += 1
    step = (magnitude >> (segment + 1)) & 0x0F
    return (sign | (~((segment << 4) | step) & 0x7F)) & 0xFF


def alaw_of(sample: int) -> int:
    """ITU-T G.711, table 1a: 13 bits, the first two segments of the same width; every other bit is inverted."""
    value = sample >> 3
    sign = 0x80 if value >= 0 else 0
    magnitude = value if value >= 0 else -value - 1
    segment = 0
    while magnitude >= 32 << segment:
        segment += 1
    step = (magnitude >> max(segment, 1)) & 0x0F
    return (sign | (segment << 4) | step) ^ 0x55


@pytest.mark.parametrize(("encode", "code_of"), [(ulaw_encode, ulaw_of), (alaw_encode, alaw_of)])
def test_every_sample_is_coded_as_the_standard_says(encode, code_of):
    assert list(encode(EVERY_SAMPLE.tobytes())) == [code_of(int(sample)) for sample in EVERY_SAMPLE]


@pytest.mark.parametrize(("encode", "decode"), [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)])
def test_every_code_means_the_middle_of_what_is_coded_to_it(encode, decode):
    codes = np.frombuffer(encode(EVERY_SAMPLE.tobytes()), np.uint8)
    values = np.frombuffer(decode(bytes(range(256))), np.int16).astype(int)
    for code in range(256):
        coded = EVERY_SAMPLE[codes == code].astype(int)
        if len(coded):
            assert coded.min() - 4 <= values[code] <= coded.max() + 4


@pytest.mark.parametrize(("encode", "decode"), [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)])
def test_coding_what_was_decoded_gives_the_same_codes(encode, decode):
    # Mu-law has a second zero, which is coded as the first.
    codes = bytes(code for code in range(256) if not (encode is ulaw_encode and code == 0x7F))
    assert encode(decode(codes)) == codes


@pytest.mark.parametrize(
    ("encode", "silence", "loudest"), [(ulaw_encode, 0xFF, (0x80, 0x00)), (alaw_encode, 0xD5, (0xAA, 0x2A))]
)
def test_silence_and_the_loudest_samples_have_their_well_known_codes(encode, silence, loudest):
    samples = np.array([0, 32767, -32768], np.int16)
    assert tuple(encode(samples.tobytes())) == (silence, *loudest)


@pytest.mark.parametrize("encode", [ulaw_encode, alaw_encode])
def test_half_a_sample_is_an_error_that_says_so(encode):
    with pytest.raises(AudioFormatError, match="within a sample"):
        encode(b"\x00\x00\x00")


def test_it_is_what_pythons_own_audioop_made_as_long_as_there_was_one():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            audioop = importlib.import_module("audioop")
        except ImportError:
            pytest.skip("this Python has no audioop any more")
    pcm, codes = EVERY_SAMPLE.tobytes(), bytes(range(256))
    assert ulaw_encode(pcm) == audioop.lin2ulaw(pcm, 2)
    assert alaw_encode(pcm) == audioop.lin2alaw(pcm, 2)
    assert ulaw_decode(codes) == audioop.ulaw2lin(codes, 2)
    assert alaw_decode(codes) == audioop.alaw2lin(codes, 2)
