"""The whole measurement: every bot at every number of calls, several times over, and how many calls a core takes."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from tests.benchmarks.peers.environments import (
    CACHE,
    ENVIRONMENTS,
    ROOT,
    environment_variables,
    is_installed,
    python_of,
)
from tests.benchmarks.peers.measure import BOTS, Bot, Cores, Measured, measure, percentile

RESULTS = CACHE / "results.json"
ADDED_MS = 20.0
"""How much later than with one call sound may come at p99 for a number of calls to count as carried."""
_MOST_CALLS = 400
_SEARCH_STEPS = 4
_IMPORTS = 7
_IMPORTED = {
    "voicepipe": ("pipecat", "voicepipe"),
    "voicepipe's OpenAI service": ("pipecat", "voicepipe.services.openai.realtime"),
    "Pipecat's OpenAI service": ("pipecat", "pipecat.services.openai.realtime.llm"),
    "livekit.agents": ("livekit", "livekit.agents"),
    "getpatter": ("patter", "getpatter"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Parameters:
        bots: Which bots, by their keys in `BOTS`.
        calls: Which numbers of calls.
        seconds: How long each measurement lasts once all calls are up.
        repeats: How often everything is measured.
        capacity: Whether to look for the most calls a core takes; once, after the last repeat.
        missing: Bots that are not measured because their environment is not installed.
    """

    bots: Sequence[str]
    calls: Sequence[int]
    seconds: float
    repeats: int
    capacity: bool
    missing: Sequence[str] = ()


@dataclass(slots=True)
class Results:
    """What was measured, as the report reads it.

    Parameters:
        machine: What it was measured on.
        plan: How.
        figures: For each bot, the figures of its measurements.
        capacity: For each bot, the most calls in each repeat.
        imports_ms: For each module, how long its import took, less an interpreter's start.
        failures: What could not be measured, and why.
    """

    machine: dict[str, Any] = field(default_factory=dict[str, Any])
    plan: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict[str, list[dict[str, float]]])
    capacity: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    imports_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    failures: list[str] = field(default_factory=list[str])

    @classmethod
    def read(cls) -> Results:
        """Read what was kept."""
        return cls(**orjson.loads(RESULTS.read_bytes()))

    def keep(self) -> None:
        """Write all that is known so far."""
        RESULTS.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))


def figures_of(measured: Measured) -> dict[str, float]:
    """Return a measurement as plain numbers."""
    numbers = {name: float(value) for name, value in asdict(measured).items() if not isinstance(value, list)}
    for name in ("in_ms", "out_ms", "clear_ms", "connect_ms"):
        values: list[float] = getattr(measured, name)
        numbers[f"{name}_p50"], numbers[f"{name}_p99"] = percentile(values, 50), percentile(values, 99)
    return numbers


async def run(plan: Plan) -> None:
    """Measure, show each figure as it comes, and keep all of them in `RESULTS`."""
    console, results = Console(width=150), Results(machine=_machine(), plan=asdict(plan))
    results.failures += [f"{BOTS[name].name}: not installed" for name in plan.missing]
    results.imports_ms = {
        name: _import_ms(*where) for name, where in _IMPORTED.items() if is_installed(where[0])
    }
    bench = _Bench(plan, results, console)
    for repeat in range(plan.repeats):
        alone: dict[str, dict[str, float]] = {}
        full: dict[str, tuple[int, int]] = {}
        for calls in sorted(plan.calls):
            for name in plan.bots:
                carried, refused = full.get(name, (0, _MOST_CALLS))
                if calls >= refused:
                    continue
                figures = await bench.one(name, calls)
                if figures is not None:
                    alone.setdefault(name, figures)
                    ok = carries(figures, alone[name])
                    full[name] = (calls, refused) if ok else (carried, calls)
        if plan.capacity and repeat == plan.repeats - 1:
            for name, (carried, refused) in full.items():
                most = await bench.most(name, carried, refused, alone[name])
                results.capacity.setdefault(name, []).append(most)
                results.keep()


def carries(figures: dict[str, float], alone: dict[str, float]) -> bool:
    """Whether so many calls are carried: all are up, and at p99 sound is hardly later than with the fewest calls."""
    late = max(figures[name] - alone[name] for name in ("in_ms_p99", "out_ms_p99"))
    return bool(figures["is_up"]) and figures["marks_lost"] < 0.01 and late <= ADDED_MS


class _Bench:
    def __init__(self, plan: Plan, results: Results, console: Console) -> None:
        self._plan, self._results, self._console = plan, results, console
        self._cores = Cores.of_machine()

    async def one(self, name: str, calls: int) -> dict[str, float] | None:
        bot: Bot = BOTS[name]
        try:
            measured = await measure(bot, calls=calls, seconds=self._plan.seconds, cores=self._cores)
        except (OSError, ValueError, LookupError, TimeoutError) as error:
            self._results.failures.append(f"{bot.name}, {calls} calls: {error or type(error).__name__}")
            self._console.print(f"{bot.name}, {calls} calls: failed ({error})", style="red")
            return None
        figures = figures_of(measured)
        self._results.figures.setdefault(name, []).append(figures)
        self._results.keep()
        self._console.print(
            f"{bot.name:38} {calls:3} calls  {figures['cpu_ms']:6.2f} ms/s"
            f"  in {figures['in_ms_p50']:6.1f} /{figures['in_ms_p99']:6.1f}"
            f"  out {figures['out_ms_p50']:6.1f} /{figures['out_ms_p99']:6.1f}"
            f"  clear {figures['clear_ms_p50']:5.1f} /{figures['clear_ms_p99']:6.1f}"
            f"  {figures['memory_kb']:6.0f} kB  generator {figures['generator_late_ms']:.1f} ms late"
        )
        return figures

    async def most(self, name: str, carried: int, refused: int, alone: dict[str, float]) -> int:
        """Return the most calls that are carried, between a number that is and one that is not."""
        if refused == _MOST_CALLS and carried:
            # The ladder ended before the core did. A call costs less the more there are: twice as many as its cost says.
            last = [one for one in self._results.figures[name] if one["calls"] == carried][-1]
            refused = min(_MOST_CALLS, max(carried + 1, int(2000 / last["cpu_ms"]) + 1))
        for _ in range(_SEARCH_STEPS):
            if refused - carried <= 1:
                break
            calls = (carried + refused) // 2
            figures = await self.one(name, calls)
            carried, refused = (
                (calls, refused) if figures is not None and carries(figures, alone) else (carried, calls)
            )
        return carried


def _import_ms(environment: str, module: str) -> list[float]:
    def ms(code: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [python_of(environment), "-c", code], env=environment_variables(), check=True, capture_output=True
        )
        return (time.perf_counter() - began) * 1000

    bare = statistics.median(ms("pass") for _ in range(_IMPORTS))
    return [ms(f"import {module}") - bare for _ in range(_IMPORTS)]


def _machine() -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text().split("model name")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "processor": cpu[1].split("\n")[0].strip("\t: ") if len(cpu) > 1 else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "commit": commit.stdout.strip(),
        "packages": {name: list(one.packages) for name, one in ENVIRONMENTS.items()},
    }
