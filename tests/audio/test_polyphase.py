"""The figures the resampler promises, measured on the samples it gives."""

from __future__ import annotations

import itertools
from math import gcd

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


def response_of(in_rate: int, out_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """The whole frequency response in decibels, put together from what clicks at each place of a group give."""
    up, down = out_rate // gcd(in_rate, out_rate), in_rate // gcd(in_rate, out_rate)
    impulse: dict[int, float] = {}
    for place in range(down):
        click = np.zeros(600, np.int16)
        click[300 + place] = 32767
        for index, value in enumerate(through(click.tobytes(), in_rate, out_rate)):
            impulse[index * down - (300 + place) * up] = value
    samples = np.array([impulse[time] for time in sorted(impulse)])
    spectrum = np.abs(np.fft.rfft(samples, 1 << 16))
    return np.fft.rfftfreq(1 << 16, 1 / (in_rate * up)), 20 * np.log10(spectrum / spectrum[0] + 1e-12)


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

    def test_the_figures_hold_at_every_frequency(self, in_rate, out_rate):
        low = min(in_rate, out_rate)
        hertz, decibels = response_of(in_rate, out_rate)
        assert np.ptp(decibels[hertz <= 0.42 * low]) <= 0.3
        assert decibels[hertz >= 0.56 * low].max() <= -60

    def test_a_constant_level_stays_constant(self, in_rate, out_rate):
        out = through(np.full(in_rate // 10, 12345, np.int16).tobytes(), in_rate, out_rate)
        edge = round(2.1 * StreamResampler(in_rate, out_rate).delay_ms * out_rate / 1000)
        assert set(out[edge:-edge]) == {12345}

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

    def test_a_long_sound_in_one_chunk_is_the_same_as_in_many(self, in_rate, out_rate):
        noise = np.random.default_rng(in_rate + out_rate)
        pcm = noise.integers(-32768, 32768, in_rate, dtype=np.int16).tobytes()
        whole, pieces = StreamResampler(in_rate, out_rate), StreamResampler(in_rate, out_rate)
        cuts = [0, 1, 2, 5, *sorted(noise.integers(5, len(pcm), 60)), len(pcm)]
        parts = [pieces.process(pcm[a:b]) for a, b in itertools.pairwise(cuts)]
        assert b"".join(parts) + pieces.flush() == whole.process(pcm) + whole.flush()

    def test_single_bytes_give_the_same_samples(self, in_rate, out_rate):
        pcm = np.random.default_rng(7).integers(-32768, 32768, 300, dtype=np.int16).tobytes()
        whole, pieces = StreamResampler(in_rate, out_rate), StreamResampler(in_rate, out_rate)
        parts = [pieces.process(pcm[index : index + 1]) for index in range(len(pcm))]
        assert b"".join(parts) + pieces.flush() == whole.process(pcm) + whole.flush()

    @pytest.mark.parametrize("length", [0, 1, 2, 7, 480, 5001])
    def test_a_stream_lasts_as_long_as_what_went_in_and_twice_the_delay(self, in_rate, out_rate, length):
        resampler = StreamResampler(in_rate, out_rate)
        out = resampler.process(bytes(2 * length)) + resampler.flush()
        delay = resampler.delay_ms * out_rate / 1000
        wanted = length * out_rate / in_rate + 2 * delay if length else 0
        assert len(out) // 2 == pytest.approx(wanted, abs=max(1, out_rate / in_rate))

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
