"""The resampler: what it holds back, what it lets through, and what a chunk of 20 ms costs, beside soxr.

A chunk's time is measured hot, one after the other, and after a pause of 20 ms, as in a call with nothing else to do: a
machine that wakes up takes long for anything, so what copying a chunk with numpy takes then is shown too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from math import gcd

import numpy as np
import numpy.typing as npt
import soxr
from rich.console import Console
from rich.table import Table

from voicepipe.audio.resampler import StreamResampler

_Samples = npt.NDArray[np.float64]
RATES = (8000, 16000, 24000, 48000)
RATIOS = [(8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000), (24000, 48000), (48000, 24000)]
CHUNKS = 400
PAUSED_CHUNKS = 40


def main() -> None:
    console = Console(width=130)
    console.print(_figures())
    console.print(_beside_soxr())
    console.print(_clean())
    copying_us = _paused_us(lambda pcm: np.frombuffer(pcm, np.int16).astype(np.float64).tobytes(), 24000)
    console.print(
        f"After a pause, only to copy a chunk with numpy takes {copying_us:.0f} µs on this machine."
    )


def _figures() -> Table:
    table = Table(title="Polyphase: ripple to 0.42 of the lower rate, rejection from 0.56 on")
    for heading in ("kHz", "delay ms", "ripple dB", "rejection dB", "hot µs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for ratio in itertools.permutations(RATES, 2):
        ripple_db, rejection_db = _response(*ratio)
        resampler = StreamResampler(*ratio)
        _, _, hot_us = _measured(resampler.process, *ratio)
        delay_ms = resampler.delay_ms
        table.add_row(
            _name(*ratio), f"{delay_ms:.2f}", f"{ripple_db:.3f}", f"{rejection_db:.1f}", f"{hot_us:.1f}"
        )
    return table


def _beside_soxr() -> Table:
    table = Table(
        title="Chunks of 20 ms: how late sound comes out (median / longest), time a chunk (hot, after a pause)"
    )
    for heading in ("kHz", "polyphase", "", "soxr HQ", "", "soxr VHQ", "", "VHQ / polyphase"):
        table.add_column(heading, justify="right", no_wrap=True)
    for in_rate, out_rate in RATIOS:
        # soxr as Pipecat drives it.
        processes = [StreamResampler(in_rate, out_rate).process]
        processes += [_soxr(in_rate, out_rate, quality) for quality in ("HQ", "VHQ")]
        late_ms: list[float] = []
        row = [_name(in_rate, out_rate)]
        for process in processes:
            median_ms, longest_ms, hot_us = _measured(process, in_rate, out_rate)
            late_ms.append(median_ms)
            row += [
                f"{median_ms:.1f} / {longest_ms:.1f} ms",
                f"{hot_us:.0f}, {_paused_us(process, in_rate):.0f} µs",
            ]
        table.add_row(*row, f"{late_ms[-1] / late_ms[0]:.0f} times")
    return table


def _clean() -> Table:
    """What is in the output that was not in the input, each in dB below a tone of half the full scale."""
    table = Table(
        title="8 and 24 kHz, in dB: a tone of 1 kHz over its noise and its image, and over what one of 6 kHz folds to"
    )
    for heading in ("", "signal to noise, up", "image, up", "signal to noise, down", "alias, down"):
        table.add_column(heading, justify="right", no_wrap=True)
    # Pipecat's default is VHQ, a stream for each direction.
    for quality in (None, "QQ", "LQ", "MQ", "HQ", "VHQ"):

        def process(in_rate: int, out_rate: int, hertz: float, quality: str | None = quality) -> _Samples:
            make = (
                StreamResampler(in_rate, out_rate).process
                if quality is None
                else _soxr(in_rate, out_rate, quality)
            )
            return _through(make, in_rate, hertz)

        up, down, folded = process(8000, 24000, 1000), process(24000, 8000, 1000), process(24000, 8000, 6000)
        table.add_row(
            {None: "polyphase", "VHQ": "soxr VHQ, Pipecat's"}.get(quality, f"soxr {quality}"),
            f"{_apart_db(up, 24000, 1000):.0f}",
            f"{-_level_db(up, 24000, 7000):.0f}",
            f"{_apart_db(down, 8000, 1000):.0f}",
            f"{-_level_db(folded, 8000, 2000):.0f}",
        )
    return table


def _through(process: Callable[[bytes], bytes], in_rate: int, hertz: float) -> _Samples:
    """Return a tone of two seconds that went through in chunks of 20 ms, without its beginning and its end."""
    tone = np.rint(16384 * np.sin(2 * np.pi * hertz * np.arange(2 * in_rate) / in_rate)).astype(np.int16)
    step = in_rate // 50
    out = b"".join(process(tone[at : at + step].tobytes()) for at in range(0, len(tone), step))
    samples = np.frombuffer(out, np.int16).astype(np.float64)
    return samples[len(samples) // 4 : 3 * len(samples) // 4]


def _tone_in(samples: _Samples, rate: int, hertz: float) -> _Samples:
    """Return what of samples is a tone, in whatever phase."""
    angle = 2 * np.pi * hertz * np.arange(len(samples)) / rate
    waves = np.column_stack((np.sin(angle), np.cos(angle)))
    found, *_ = np.linalg.lstsq(waves, samples, rcond=None)
    return waves @ found


def _level_db(samples: _Samples, rate: int, hertz: float) -> float:
    """Return how loud a tone is, against the one of half the full scale that went in."""
    return float(20 * np.log10(np.std(_tone_in(samples, rate, hertz)) / (16384 / np.sqrt(2)) + 1e-12))


def _apart_db(samples: _Samples, rate: int, hertz: float) -> float:
    tone = _tone_in(samples, rate, hertz)
    return float(20 * np.log10(np.std(tone) / np.std(samples - tone)))


def _soxr(in_rate: int, out_rate: int, quality: str) -> Callable[[bytes], bytes]:
    stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="int16", quality=quality)
    return lambda pcm: stream.resample_chunk(np.frombuffer(pcm, np.int16)).tobytes()


def _name(in_rate: int, out_rate: int) -> str:
    return f"{in_rate / 1000:g} to {out_rate / 1000:g}"


def _response(in_rate: int, out_rate: int) -> tuple[float, float]:
    """Return the ripple and the rejection in dB, from clicks at each place of a group: with int16's noise."""
    common = gcd(in_rate, out_rate)
    up, down, low = out_rate // common, in_rate // common, min(in_rate, out_rate)
    impulse: dict[int, float] = {}
    for place in range(300, 300 + down):
        click = np.zeros(600, np.int16)
        click[place] = 32767
        resampler = StreamResampler(in_rate, out_rate)
        out = np.frombuffer(resampler.process(click.tobytes()) + resampler.flush(), np.int16)
        impulse |= {index * down - place * up: float(value) for index, value in enumerate(out)}
    samples = np.array([impulse[time_] for time_ in sorted(impulse)])
    spectrum = np.abs(np.fft.rfft(samples, 1 << 16))
    decibels = 20 * np.log10(spectrum / spectrum[0] + 1e-12)
    hertz = np.fft.rfftfreq(1 << 16, 1 / (in_rate * up))
    return float(np.ptp(decibels[hertz <= 0.42 * low])), float(decibels[hertz >= 0.56 * low].max())


def _paused_us(process: Callable[[bytes], bytes], in_rate: int) -> float:
    """Return the median time of a chunk in µs that comes 20 ms after the one before."""
    chunk = (np.random.default_rng(1).standard_normal(in_rate // 50) * 3000).astype(np.int16).tobytes()
    spent: list[float] = []
    for _ in range(PAUSED_CHUNKS):
        time.sleep(0.02)
        began = time.perf_counter()
        process(chunk)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent) * 1e6)


def _measured(process: Callable[[bytes], bytes], in_rate: int, out_rate: int) -> tuple[float, float, float]:
    """Return how late sound comes out, in the median and at most, in ms, and the median time of a chunk, in µs.

    What comes out lags behind what went in by what has not come out yet, and by how far the sound is shifted within it.
    """
    samples, noise = in_rate // 50, np.random.default_rng(1)
    sound = (noise.standard_normal(samples * CHUNKS) * 100).astype(np.int16)
    click_at = len(sound) // 2
    sound[click_at] = 30000
    spent: list[float] = []
    missing_ms: list[float] = []
    parts: list[bytes] = []
    given = 0
    for index in range(CHUNKS):
        chunk = sound[index * samples : (index + 1) * samples].tobytes()
        began = time.perf_counter()
        out = process(chunk)
        spent.append(time.perf_counter() - began)
        parts.append(out)
        given += len(out) // 2
        missing_ms.append((index + 1) * 20 - 1000 * given / out_rate)
    out = np.frombuffer(b"".join(parts), np.int16).astype(int)
    shift_ms = 1000 * (int(np.abs(out).argmax()) / out_rate - click_at / in_rate)
    settled = np.array(missing_ms[50:]) + shift_ms
    return float(np.median(settled)), float(settled.max()), float(np.median(spent) * 1e6)


if __name__ == "__main__":
    main()
