"""Where the time of answers goes: histograms by stage, in constant memory however many turns there are.

The stages of an answer, from the end of the user's turn to the first sound heard: `server` (network and model), `added`
(voicepipe), `playout` (transport and carrier), and `total`, the sum of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Literal, TypeAlias, get_args

from voicepipe.telemetry.calls import Turn

Stage: TypeAlias = Literal["server", "added", "playout", "total"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

BOUNDS_MS: Final[tuple[float, ...]] = (
    *(0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600),
    *(700, 800, 900, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 7500, 10_000, 20_000),
)
"""Upper ends of the buckets: fine where voicepipe's own part lies, and where a listener begins to notice a pause."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Durations in a few numbers, in milliseconds; None where there were none.

    Parameters:
        count: How many there were.
        average_ms: Their mean, exact.
        p50_ms: The median; this and the others are exact to a bucket.
        p90_ms: What nine of ten do not exceed.
        p95_ms: What nineteen of twenty do not exceed.
        p99_ms: What ninety-nine of a hundred do not exceed.
    """

    count: int
    average_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Histogram:
    """Counts of durations in buckets.

    Args:
        bounds_ms: The upper ends of the buckets, ascending; a last one without an end is added.

    Raises:
        ValueError: The bounds do not ascend.
    """

    def __init__(self, bounds_ms: Sequence[float] = BOUNDS_MS) -> None:
        if not bounds_ms or any(a >= b for a, b in pairwise(bounds_ms)):
            raise ValueError(f"bounds_ms: has to ascend, not {list(bounds_ms)}")
        self.bounds_ms = tuple(bounds_ms)
        """The upper ends of the buckets but the last."""
        self._counts = [0] * (len(self.bounds_ms) + 1)
        self._largest_ms = 0.0
        self.sum_ms = 0.0
        """The sum of all durations."""

    @property
    def count(self) -> int:
        """How many durations there were."""
        return sum(self._counts)

    @property
    def cumulative(self) -> list[int]:
        """How many durations do not exceed each bound, and last how many there were: as Prometheus counts."""
        return list(accumulate(self._counts))

    def add(self, duration_ms: float) -> None:
        """Count a duration; less than nothing, which only clocks can make of it, counts as nothing."""
        duration_ms = max(0.0, duration_ms)
        self._counts[bisect_left(self.bounds_ms, duration_ms)] += 1
        self._largest_ms = max(self._largest_ms, duration_ms)
        self.sum_ms += duration_ms

    def merge(self, other: Histogram) -> None:
        """Count what another one with the same buckets has counted.

        Raises:
            ValueError: Its buckets are others.
        """
        if other.bounds_ms != self.bounds_ms:
            raise ValueError("a histogram with other buckets cannot be merged")
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self._largest_ms = max(self._largest_ms, other._largest_ms)
        self.sum_ms += other.sum_ms

    def quantile(self, share: float) -> float | None:
        """Return what a share of the durations does not exceed, taken evenly over the bucket it lies in; None without any.

        Args:
            share: From 0 to 1.

        Raises:
            ValueError: Another share.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share: has to lie from 0 to 1, not {share}")
        if not self.count:
            return None
        wanted, before = share * self.count, 0
        for index, count in enumerate(self._counts):
            if count and before + count >= wanted:
                lower_ms = self.bounds_ms[index - 1] if index else 0.0
                upper_ms = self.bounds_ms[index] if index < len(self.bounds_ms) else self._largest_ms
                upper_ms = min(upper_ms, self._largest_ms)
                return lower_ms + (upper_ms - lower_ms) * (wanted - before) / count
            before += count
        return self._largest_ms

    def summary(self) -> Summary:
        """Return the usual numbers."""
        average_ms = self.sum_ms / self.count if self.count else None
        p50_ms, p90_ms, p95_ms, p99_ms = (self.quantile(share) for share in (0.5, 0.9, 0.95, 0.99))
        return Summary(self.count, average_ms, p50_ms, p90_ms, p95_ms, p99_ms)


class Latencies:
    """The latencies of answers by stage: of one call, or of all calls of a process."""

    def __init__(self) -> None:
        self._histograms: dict[Stage, Histogram] = {stage: Histogram() for stage in STAGES}

    def add(self, turn: Turn) -> None:
        """Count a turn that is over, once; of a stage that was not measured nothing is counted."""
        for stage, duration_ms in split_of(turn).items():
            self._histograms[stage].add(duration_ms)

    def merge(self, other: Latencies) -> None:
        """Count what another one has counted."""
        for stage, histogram in self._histograms.items():
            histogram.merge(other._histograms[stage])

    def __getitem__(self, stage: Stage) -> Histogram:
        return self._histograms[stage]

    def summaries(self) -> Mapping[Stage, Summary]:
        """Return the usual numbers of each stage."""
        return {stage: histogram.summary() for stage, histogram in self._histograms.items()}


def split_of(turn: Turn) -> Mapping[Stage, float]:
    """Return how long each stage of a turn's answer took, in milliseconds; only those that were measured."""
    measured: dict[Stage, float | None] = {
        "server": turn.server_ms,
        "added": turn.added_ms,
        "playout": turn.playout_ms,
        "total": turn.latency_ms,
    }
    return {stage: duration_ms for stage, duration_ms in measured.items() if duration_ms is not None}
