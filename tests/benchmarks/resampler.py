"""The resampler: what it holds back, what it lets through, and what a chunk of 20 ms costs, beside soxr."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import soxr
from rich.console import Console
from rich.table import Table

from voicepipe.audio.resampler import StreamResampler

RATIOS = [(8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000), (24000, 48000), (48000, 24000)]
CHUNKS = 400


def main() -> None:
    table = Table(
        title="Resampling chunks of 20 ms: how late sound comes out (median / longest), time a chunk (median)"
    )
    for heading in ("kHz", "polyphase", "", "soxr HQ", "", "soxr VHQ", "", "VHQ / polyphase"):
        table.add_column(heading, justify="right", no_wrap=True)
    for in_rate, out_rate in RATIOS:
        ours = _measured(StreamResampler(in_rate, out_rate).process, in_rate, out_rate)
        row = [f"{in_rate / 1000:g} to {out_rate / 1000:g}", *_cells(ours)]
        for quality in ("HQ", "VHQ"):
            stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="int16", quality=quality)
            theirs = _measured(
                lambda pcm, stream=stream: stream.resample_chunk(np.frombuffer(pcm, np.int16)).tobytes(),
                in_rate,
                out_rate,
            )
            row += _cells(theirs)
        table.add_row(*row, f"{theirs[0] / ours[0]:.0f} times")
    Console(width=120).print(table)


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


def _cells(measured: tuple[float, float, float]) -> list[str]:
    median_ms, longest_ms, chunk_us = measured
    return [f"{median_ms:.1f} / {longest_ms:.1f} ms", f"{chunk_us:.0f} µs"]


if __name__ == "__main__":
    main()
