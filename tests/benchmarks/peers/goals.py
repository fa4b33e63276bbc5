"""What voicepipe is to reach beside the floors and Pipecat, and what it reached: a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.benchmarks.peers.suite import Results

_MANY = 10
_PROCESSOR_TIME = (
    ("voicepipe", "floor-transcoding", "transcoding floor", 1.3),
    ("voicepipe-g711", "floor", "floor, G.711 through", 1.4),
)


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Parameters:
        what: In words.
        limit: In words.
        reached: What was measured; NaN if it was not.
        bound: What it is set against.
        at_least: Whether more is better.
    """

    what: str
    limit: str
    reached: float
    bound: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is reached."""
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


def goals(results: Results) -> str:
    """Return the table of all goals, with what could be measured of them."""
    rows: list[list[str]] = []
    for goal in _goals(results):
        known = not math.isnan(goal.reached)
        reached = f"{goal.reached:.2f}" if known else "not measured"
        rows.append([goal.what, goal.limit, reached, ("yes" if goal.is_met else "no") if known else "-"])
    return markdown(["", "goal", "measured", "reached"], rows)


def _goals(results: Results) -> list[Goal]:
    figure = _figures(results)
    most = max((calls for calls in results.plan["calls"] if calls <= 25), default=1)
    few = min(results.plan["calls"])
    # With one call, waking up is nearly all of the cost.
    many = [calls for calls in results.plan["calls"] if calls >= _MANY] or [few]

    def ratio(name: str, over: str, what: str, calls: int) -> float:
        other = figure(over, what, calls)
        return figure(name, what, calls) / other if other else math.nan

    def capacity(over: str) -> float:
        ours, others = results.capacity.get("voicepipe"), results.capacity.get(over)
        return (
            statistics.median(ours) / statistics.median(others)
            if ours and others and any(others)
            else math.nan
        )

    added = {way: figure("voicepipe", f"{way}_ms_p50", few) for way in ("in", "out")}
    imports = results.imports_ms.get("voicepipe", [])
    return [
        *(
            Goal(f"content latency added, {way}, {few} call(s), median ms", "at most 5", ms, 5.0)
            for way, ms in added.items()
        ),
        *(
            Goal(
                f"the same of Pipecat as its examples, over ours, {way}",
                "at least 10",
                figure("pipecat", f"{way}_ms_p50", few) / ms if ms else math.nan,
                10.0,
                at_least=True,
            )
            for way, ms in added.items()
        ),
        *(
            Goal(
                f"processor time to the {what}, {calls} calls",
                f"at most {bound}",
                ratio(name, over, "cpu_ms", calls),
                bound,
            )
            for name, over, what, bound in _PROCESSOR_TIME
            for calls in many
        ),
        Goal("calls a core, to Pipecat", "at least 2.2", capacity("pipecat"), 2.2, at_least=True),
        Goal(
            "calls a core, to the floor",
            "at least 0.71",
            capacity("floor-transcoding"),
            1 / 1.4,
            at_least=True,
        ),
        Goal(
            f"memory a call, MB, {most} calls",
            "at most 1",
            figure("voicepipe", "memory_kb", most) / 1024,
            1.0,
        ),
        Goal(
            "`import voicepipe`, seconds",
            "at most 0.15",
            statistics.median(imports) / 1000 if imports else math.nan,
            0.15,
        ),
        Goal(
            "process start to the first call's sound, seconds",
            "at most 1.5",
            figure("voicepipe", "first_sound_ms", None) / 1000,
            1.5,
        ),
        Goal(
            f"barge-in to clear, {few} call(s), median ms",
            "at most 3",
            figure("voicepipe", "clear_ms_p50", few),
            3.0,
        ),
        Goal(
            f"barge-in to clear, {most} calls, p99 ms",
            "at most 10",
            figure("voicepipe", "clear_ms_p99", most),
            10.0,
        ),
    ]


def _figures(results: Results) -> Callable[[str, str, int | None], float]:
    def figure(name: str, what: str, calls: int | None) -> float:
        # JSON has no NaN: what was not seen is null.
        values = [
            one[what]
            for one in results.figures.get(name, [])
            if calls in (None, one["calls"]) and one[what] is not None
        ]
        return statistics.median(values) if values else math.nan

    return figure


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
