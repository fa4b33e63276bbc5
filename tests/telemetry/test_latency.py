"""Histograms of durations: counts that add up, quantiles that lie where the durations lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.telemetry.calls import Turn
from voicepipe.telemetry.latency import BOUNDS_MS, STAGES, Histogram, Latencies, Summary, split_of

DURATIONS = st.lists(st.floats(0, 60_000), min_size=1, max_size=60)


def of(durations: list[float]) -> Histogram:
    histogram = Histogram()
    for duration_ms in durations:
        histogram.add(duration_ms)
    return histogram


def bucket(duration_ms: float) -> int:
    return sum(bound_ms < duration_ms for bound_ms in BOUNDS_MS)


@given(DURATIONS)
def test_buckets_count_what_does_not_exceed_them(durations):
    histogram = of(durations)
    expected = [sum(ms <= bound_ms for ms in durations) for bound_ms in BOUNDS_MS]
    assert histogram.cumulative == [*expected, len(durations)]
    assert histogram.count == len(durations)
    assert histogram.sum_ms == pytest.approx(sum(durations))


@given(DURATIONS, st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(durations, share):
    ranked = sorted(durations)
    true_ms = next(ms for place, ms in enumerate(ranked, 1) if place >= share * len(ranked) - 1e-9)
    found_ms = of(durations).quantile(share)
    lower_ms = BOUNDS_MS[bucket(true_ms) - 1] if bucket(true_ms) else 0.0
    upper_ms = BOUNDS_MS[bucket(true_ms)] if bucket(true_ms) < len(BOUNDS_MS) else max(durations)
    assert lower_ms - 1e-6 <= found_ms <= upper_ms + 1e-6
    assert found_ms <= max(durations) + 1e-6


@given(DURATIONS, DURATIONS)
def test_two_merged_are_as_one(first, second):
    merged = of(first)
    merged.merge(of(second))
    together = of(first + second)
    assert merged.cumulative == together.cumulative
    assert merged.quantile(0.9) == together.quantile(0.9)


def test_nothing_measured_is_none():
    assert Histogram().summary() == Summary(0, None, None, None, None, None)


def test_one_duration_is_all_of_them():
    summary = of([42.0]).summary()
    assert (summary.count, summary.average_ms, summary.p99_ms) == (1, 42.0, pytest.approx(42.0, abs=0.2))


def test_a_clocks_rounding_counts_as_nothing():
    assert of([-0.001]).sum_ms == 0.0


@pytest.mark.parametrize("bounds_ms", [(), (2.0, 1.0), (1.0, 1.0)])
def test_bounds_have_to_ascend(bounds_ms):
    with pytest.raises(ValueError, match="bounds_ms"):
        Histogram(bounds_ms)


def test_what_cannot_be_merged_or_asked_is_refused():
    with pytest.raises(ValueError, match="other buckets"):
        Histogram().merge(Histogram((1.0,)))
    with pytest.raises(ValueError, match="share"):
        Histogram().quantile(1.1)


def test_the_stages_of_a_turn_add_up():
    turn = Turn(0, 0.0, latency_ms=350.0, server_ms=300.0, added_ms=2.0)
    stages = split_of(turn)
    assert stages == {"server": 300.0, "added": 2.0, "playout": 48.0, "total": 350.0}
    assert stages["server"] + stages["added"] + stages["playout"] == stages["total"]
    assert split_of(Turn(0, 0.0)) == {}
    assert split_of(Turn(0, 0.0, latency_ms=5.0)) == {"total": 5.0}


def test_latencies_of_several_calls_are_put_together():
    everything, call = Latencies(), Latencies()
    call.add(Turn(0, 0.0, latency_ms=350.0, server_ms=300.0, added_ms=2.0))
    call.add(Turn(1, 0.0))
    everything.merge(call)
    everything.merge(call)
    assert [everything[stage].count for stage in STAGES] == [2, 2, 2, 2]
    assert everything["total"].summary().average_ms == 350.0
