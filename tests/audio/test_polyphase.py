"""The figures the resampler promises, measured on the samples it gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.audio.resampler import StreamResampler

RATIOS = [(a, b) for a, b in itertools.product((8000, 16000, 24000, 48000), repeat=2) if a != b]


def tone(hertz: float, rate: int, secs: float = 0.5, level: float = 16000.0) -> bytes:
    time = np.arange(int(secs * rate)) / rate
    return np.rint(level * np.sin(2 * np.pi * hertz * time)).astype(np.int16).tobytes()


def through(pcm: bytes, in_rate: int, out_rate: int) -> np.ndarray:
    resampler = StreamResampler(in_rate, out_rate)
    return np.frombuffer(resampler.process(pcm) + resampler.flush(), np.int16).astype(float)


def level_db(samples: np.ndarray, level: float = 16000.0) -> float:
    """The level in the middle of a tone, away from its edges, against the tone that went in."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return 20 * np.log10(max(np.sqrt(2 * np.mean(middle**2)), 1e-9) / level)


@pytest.mark.parametrize(("in_rate", "out_rate"), RATIOS)
class TestFigures:
    def test_p12_sound_is_held_back_for_2_5_ms_at_8_khz_and_1_5_ms_from_16_khz_up(self, in_rate, out_rate):
        click = np.zeros(in_rate // 10, np.int16)
        click[in_rate // 20] = 30000
        out = through(click.tobytes(), in_rate, out_rate)
        energy = out**2
        centre_ms = 1000 * np.sum(energy * np.arange(len(out))) / np.sum(energy) / out_rate
        bound_ms = 2.5 if 8000 in (in_rate, out_rate) else 1.5
        delay_ms = centre_ms - 50.0
        assert 0 < delay_ms <= bound_ms
        assert delay_ms == pytest.approx(StreamResampler(in_rate, out_rate).delay_ms, abs=0.1)

    def test_p12_nothing_waits_for_a_later_chunk(self, in_rate, out_rate):
        resampler = StreamResampler(in_rate, out_rate)
        chunk = bytes(2 * in_rate // 50)
        lengths = [len(resampler.process(chunk)) // 2 for _ in range(50)]
        missing_ms = 1000 * (50 * out_rate / 50 - sum(lengths)) / out_rate
        assert 0 <= missing_ms < 0.2

    def test_what_must_pass_passes_within_0_3_db(self, in_rate, out_rate):
        low = min(in_rate, out_rate)
        levels = [
            level_db(through(tone(share * low, in_rate), in_rate, out_rate))
            for share in (0.02, 0.1, 0.3, 0.42)
        ]
        assert max(levels) - min(levels) <= 0.3
        assert abs(levels[0]) <= 0.3

    def test_what_must_not_pass_is_60_db_down(self, in_rate, out_rate):
        low = min(in_rate, out_rate)
        if in_rate > out_rate:
            # Tones beyond the output's band, which would fold back as aliases.
            for share in (0.56, 0.7, 0.9):
                if share * low < in_rate / 2:
                    assert level_db(through(tone(share * low, in_rate), in_rate, out_rate)) <= -60
        else:
            # A tone in band, of which the images above the input's band must be gone.
            for share in (0.1, 0.3, 0.44):
                out = through(tone(share * low, in_rate), in_rate, out_rate)
                middle = out[len(out) // 4 : -len(out) // 4]
                spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle))))
                frequency = np.fft.rfftfreq(len(middle), 1 / out_rate)
                images = spectrum[frequency >= 0.56 * low].max() / spectrum.max()
                assert 20 * np.log10(images) <= -60

    @given(data=st.data())
    def test_the_same_samples_come_out_whatever_the_chunking(self, in_rate, out_rate, data):
        seed = data.draw(st.integers(0, 2**32 - 1))
        pcm = np.random.default_rng(seed).integers(-32768, 32768, 700, dtype=np.int16).tobytes()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(pcm)), max_size=20)))
        whole = StreamResampler(in_rate, out_rate)
        expected = whole.process(pcm) + whole.flush()
        pieces = StreamResampler(in_rate, out_rate)
        parts = [pieces.process(pcm[a:b]) for a, b in itertools.pairwise([0, *cuts, len(pcm)])]
        assert b"".join(parts) + pieces.flush() == expected

    def test_the_loudest_sound_is_limited_and_never_wraps(self, in_rate, out_rate):
        square = np.repeat(np.tile(np.array([32767, -32768], np.int16), 100), 8)
        out = through(square.tobytes(), in_rate, out_rate)
        wanted = np.sign(np.interp(np.arange(len(out)), np.arange(len(square)) * out_rate / in_rate, square))
        assert np.abs(out).max() >= 32767
        shift = round(StreamResampler(in_rate, out_rate).delay_ms * out_rate / 1000)
        loud = np.abs(out[shift:]) > 30000
        assert np.all(np.sign(out[shift:])[loud] == wanted[: len(out) - shift][loud])

    def test_flush_gives_the_tail_and_leaves_it_as_new(self, in_rate, out_rate):
        resampler = StreamResampler(in_rate, out_rate)
        pcm = tone(300, in_rate, 0.05)
        first = resampler.process(pcm) + resampler.flush()
        second = resampler.process(pcm) + resampler.flush()
        assert first == second
        lasted_ms = 1000 * len(first) / 2 / out_rate
        assert 50 + resampler.delay_ms <= lasted_ms <= 50 + 2 * resampler.delay_ms + 1
