"""Writes the measured part of `docs/benchmarks.md`, between its two comments, and the charts beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.peers.charts import line_chart
from tests.benchmarks.peers.environments import ROOT
from tests.benchmarks.peers.goals import goals, markdown
from tests.benchmarks.peers.measure import BOTS
from tests.benchmarks.peers.suite import ADDED_MS, Results

PAGE = ROOT / "docs" / "benchmarks.md"
CHARTS = ROOT / "docs" / "benchmarks"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_FLOOR_OF = dict.fromkeys(("voicepipe-g711", "voicepipe-phone-g711", "floor", "patter"), "floor")
"""Against which floor a bot is set, where it is not the transcoding one: both ends speak G.711."""
_CHARTS = {
    "cpu_ms": ("Processor time a second and call", "ms"),
    "in_ms_p50": ("Content latency, caller to API, median", "ms"),
    "out_ms_p50": ("Content latency, API to caller, median", "ms"),
    "in_ms_p99": ("Content latency, caller to API, p99", "ms"),
    "clear_ms_p50": ("Barge-in to clear, median", "ms"),
}


def main() -> None:
    """Write the page from what was kept of the last run."""
    measured = _Report(Results.read())
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n\n{measured.text()}\n\n{_END}{after}")
    CHARTS.mkdir(exist_ok=True)
    for name in _CHARTS:
        (CHARTS / f"{name}.svg").write_text(measured.chart(name))


class _Report:
    def __init__(self, results: Results) -> None:
        self._results = results
        self._bots = [name for name in BOTS if results.figures.get(name)]
        self._calls: list[int] = sorted(results.plan["calls"])

    def text(self) -> str:
        parts = [self._about(), "### Goals", goals(self._results)]
        for calls in self._calls:
            parts += [f"### {calls} call{'s' if calls > 1 else ''}", self._table(calls)]
        if self._results.capacity:
            parts += ["### Calls a core carries", self._capacity()]
        parts += ["### Starting", self._starting(), "### Imports", self._imports(), "### Charts"]
        parts += [f"![{title}](benchmarks/{name}.svg)" for name, (title, _) in _CHARTS.items()]
        if self._results.failures:
            parts += [
                "### What could not be measured",
                "\n".join(f"- {one}" for one in self._results.failures),
            ]
        return "\n\n".join(parts)

    def chart(self, figure: str) -> str:
        title, unit = _CHARTS[figure]
        lines: dict[str, list[tuple[float, float]]] = {}
        for name in self._bots:
            points = [(float(calls), self._median(name, calls, figure)) for calls in self._calls]
            lines[BOTS[name].name] = [(x, y) for x, y in points if y > 0 and not math.isnan(y)]
        shown = {name: line for name, line in lines.items() if line}
        return line_chart(title, unit, shown, colours={bot.name: n for n, bot in enumerate(BOTS.values())})

    def _about(self) -> str:
        machine, plan = self._results.machine, self._results.plan
        late = [one["generator_late_ms"] for figures in self._results.figures.values() for one in figures]
        return (
            f"Measured at commit {machine['commit']} on {machine['cores']} cores of {machine['processor']}, Python "
            f"{machine['python']}, load before {machine['load_before']:.1f}; {plan['repeats']} times {plan['seconds']:g} s "
            f"each. Medians of the repeats, with the lowest and highest in brackets. The load generator was "
            f"{statistics.median(late):.1f} ms late at p99 in the median measurement, {max(late):.1f} ms in the worst."
        )

    def _table(self, calls: int) -> str:
        head = [
            "bot",
            "CPU ms a call-second",
            "to floor",
            "to Pipecat",
            "in p50 / p99 ms",
            "out p50 / p99 ms",
        ]
        head += ["clear p50 / p99 ms", "first sound ms", "kB a call", "threads", "tasks"]
        rows: list[list[str]] = []
        for name in self._bots:
            if not self._all(name, calls, "cpu_ms"):
                continue
            show = self._shower(name, calls)
            floor = _FLOOR_OF.get(name, "floor-transcoding")
            rows.append(
                [
                    BOTS[name].name,
                    show("cpu_ms"),
                    self._ratio(name, floor, calls),
                    self._ratio(name, "pipecat", calls),
                ]
                + [f"{show(f'{way}_ms_p50')} / {show(f'{way}_ms_p99')}" for way in ("in", "out", "clear")]
                + [show("connect_ms_p50"), show("memory_kb", 0), show("threads", 0), show("tasks", 0)]
            )
        return markdown(head, rows)

    def _ratio(self, name: str, other: str, calls: int) -> str:
        ratio = self._median(name, calls, "cpu_ms") / self._median(other, calls, "cpu_ms")
        return "-" if math.isnan(ratio) else f"{ratio:.2f}"

    def _capacity(self) -> str:
        rows: list[list[str]] = []
        for name, most in self._results.capacity.items():
            floor = self._results.capacity.get(_FLOOR_OF.get(name, "floor-transcoding"), [0])
            pipecat = self._results.capacity.get("pipecat", [0])
            ratios = [_over(most, other) for other in (floor, pipecat)]
            rows.append([BOTS[name].name, _spread([float(one) for one in most], 0), *ratios])
        counted = f"Calls with marks coming through and p99 each way at most {ADDED_MS:g} ms above the same bot's with one."
        return counted + "\n\n" + markdown(["bot", "calls", "to floor", "to Pipecat"], rows)

    def _starting(self) -> str:
        rows = [
            [
                BOTS[name].name,
                self._spread_of(name, None, "ready_ms"),
                self._spread_of(name, None, "first_sound_ms"),
            ]
            for name in self._bots
        ]
        return markdown(
            ["bot", "process start to taking calls, ms", "to the first call's first sound, ms"], rows
        )

    def _imports(self) -> str:
        rows = [[name, _spread(ms, 0)] for name, ms in self._results.imports_ms.items()]
        return markdown(["import", "ms, less an interpreter's start"], rows)

    def _shower(self, name: str, calls: int) -> Callable[..., str]:
        return lambda figure, digits=1: self._spread_of(name, calls, figure, digits)

    def _spread_of(self, name: str, calls: int | None, figure: str, digits: int = 1) -> str:
        return _spread(self._all(name, calls, figure), digits)

    def _median(self, name: str, calls: int, figure: str) -> float:
        values = self._all(name, calls, figure)
        return statistics.median(values) if values else math.nan

    def _all(self, name: str, calls: int | None, figure: str) -> list[float]:
        measured: list[dict[str, Any]] = self._results.figures.get(name, [])
        # JSON has no NaN: what was not seen is null.
        return [one[figure] for one in measured if calls in (None, one["calls"]) and one[figure] is not None]


def _over(values: Sequence[float], others: Sequence[float]) -> str:
    other = statistics.median(others)
    return f"{statistics.median(values) / other:.2f}" if other else "-"


def _spread(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return "-"
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"
