"""Marks come through what a call does to sound; otherwise no figure of the suite means anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.benchmarks.peers.marks import NUMBERS, Finder, mark
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.audio.resampler import Quality, StreamResampler


def g711(pcm: bytes) -> bytes:
    return ulaw_decode(ulaw_encode(pcm))


def resampled(quality: Quality) -> Callable[[bytes], bytes]:
    return lambda pcm: StreamResampler(8000, 24000, quality).process(g711(pcm))


@pytest.mark.parametrize(
    ("way", "rate", "shift_ms"),
    [(g711, 8000, 0.0), (resampled("polyphase"), 24000, 2.0), (resampled("soxr-vhq"), 24000, 0.0)],
    ids=["G.711", "polyphase", "soxr"],
)
@pytest.mark.parametrize("number", range(NUMBERS))
def test_a_mark_is_found_at_its_place_in_pieces_of_any_length(way, rate, shift_ms, number):
    sound, first_ms = mark(number, 8000, 400)
    pcm, finder = way(sound.tobytes()), Finder(rate)
    piece = 2 * rate * 7 // 1000
    found = [
        one
        for at in range(0, len(pcm), piece)
        for one in finder.take(pcm[at : at + piece], at / 2 / rate * 1000)
    ]
    assert [one.number for one in found] == [number]
    assert found[0].at_ms + found[0].offset_ms == pytest.approx(first_ms + shift_ms, abs=0.5)
    assert found[0].offset_ms + found[0].rest_ms == pytest.approx(7)
