"""One measurement: one bot, so many calls, so many seconds; what comes of it is a `Measured`."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tests.benchmarks.peers.processes import Process

_IN_STEP_MS = 5.0
"""How far a filter may shift a mark within its message; what is beyond comes from messages that do not correspond."""


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that is measured.

    Parameters:
        name: What it is called in the report.
        module: Its module in `bots`.
        environment: Where it runs.
        arguments: Its options.
        path: Where it takes calls.
        webhook: Where it is told of a call first, and says where it takes it; empty if there is no such thing.
    """

    name: str
    module: str
    environment: str
    arguments: tuple[str, ...] = ()
    path: str = "/media"
    webhook: str = ""


BOTS = {
    "floor": Bot("bare relay, G.711 straight through", "relay", "pipecat"),
    "floor-transcoding": Bot("bare relay, transcoding", "relay", "pipecat", ("--transcode",)),
    "voicepipe": Bot("voicepipe, transcoding", "voicepipe", "pipecat"),
    "voicepipe-g711": Bot("voicepipe, G.711 straight through", "voicepipe", "pipecat", ("--g711",)),
    "voicepipe-phone": Bot(
        "voicepipe's phone, transcoding", "voicepipe_phone", "pipecat", webhook="/twilio/voice"
    ),
    "voicepipe-phone-g711": Bot(
        "voicepipe's phone, G.711 through", "voicepipe_phone", "pipecat", ("--g711",), webhook="/twilio/voice"
    ),
    "pipecat": Bot("Pipecat 1.14, as its examples", "pipecat", "pipecat"),
    "pipecat-bare": Bot("Pipecat 1.14, without aggregators", "pipecat", "pipecat", ("--bare",)),
    "livekit": Bot("LiveKit Agents 1.8.9, without a room", "livekit", "livekit"),
    "patter": Bot("Patter 0.7.0", "patter", "patter", path="/ws/stream/call"),
}


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run: the bot on one core, callers and API on others, or on one other if there are two."""

    bot: int
    api: int
    callers: int

    @classmethod
    def of_machine(cls) -> Cores:
        """Return cores of this machine; the bot's is its last one."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[-1], cores[0], cores[len(cores) // 3])


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement gave. Latencies are lists of milliseconds.

    Parameters:
        calls: How many calls there were.
        is_up: Whether all of them were answered.
        cpu_ms: Of the bot, per second and call.
        in_ms: From a mark's leaving the carrier to its being at the API.
        out_ms: From when a mark would be heard without a bot to when it is.
        clear_ms: From the API's `speech_started` to the carrier's `clear`.
        connect_ms: From a call's first byte to the bot's first sound.
        memory_kb: What a call takes.
        threads: Of the bot.
        tasks: Of the bot.
        ready_ms: From the bot's start to when it takes calls.
        first_sound_ms: From the bot's start to the first call's first sound.
        marks_lost: The share of marks that did not come through, in and out.
        generator_late_ms: How late the callers and the API were, at p99: more than 2 ms spoils a measurement.
    """

    calls: int
    is_up: bool
    cpu_ms: float
    in_ms: list[float]
    out_ms: list[float]
    clear_ms: list[float]
    connect_ms: list[float]
    memory_kb: float
    threads: int
    tasks: int
    ready_ms: float
    first_sound_ms: float
    marks_lost: float
    generator_late_ms: float


async def measure(bot: Bot, *, calls: int, seconds: float, cores: Cores) -> Measured:
    """Start API, callers and bot, let them run, and return what was measured.

    Raises:
        ChildProcessError: A process ended, or the bot did not answer the first call.
    """
    prefix = "tests.benchmarks.peers"
    options = ["--calls", str(calls), "--seconds", str(seconds), "--path", bot.path, "--webhook", bot.webhook]
    async with (
        Process("pipecat", cores.api, f"{prefix}.api") as api,
        Process("pipecat", cores.callers, f"{prefix}.callers", *options) as callers,
    ):
        url = f"ws://127.0.0.1:{(await api.line('ready')).split()[1]}/v1/realtime"
        await callers.line()
        module = f"{prefix}.bots.{bot.module}"
        async with Process(bot.environment, cores.bot, module, "--api", url, *bot.arguments) as process:
            port = (await process.line("ready")).split()[1]
            ready_ms = _now_ms() - process.started_ms
            callers.tell(port)
            first = orjson.loads(await callers.line())
            if first["at"] == "silent":
                raise ChildProcessError(f"{bot.name} did not answer")
            await callers.line()
            idle_kb = process.memory_kb
            callers.tell("call")
            steady, cpu_before = orjson.loads(await callers.line()), process.cpu_ms
            over, cpu_after = orjson.loads(await callers.line()), process.cpu_ms
            memory_kb, threads, tasks = process.memory_kb, process.threads, await process.tasks()
            callers.tell("hang up")
            told = orjson.loads(await callers.line())["callers"]
            api.end_input()
            conversations = orjson.loads(await api.line())
    pairs = list(_pairs(told, conversations))
    in_ms, in_said = _late([(_in_step(c["said"], a["heard"]), c["said"]) for c, a in pairs], steady["now_ms"])
    out_ms, out_said = _late([(_at(a["said"], c["heard"]), a["said"]) for c, a in pairs], steady["now_ms"])
    late = [ms for one in (*told, *(a for _, a in pairs)) for ms in one["late_ms"]]
    return Measured(
        calls=calls,
        is_up=steady["is_up"] and len(pairs) == calls,
        cpu_ms=(cpu_after - cpu_before) / (over["now_ms"] - steady["now_ms"]) * 1000 / calls,
        in_ms=in_ms,
        out_ms=out_ms,
        clear_ms=[ms for caller, answers in pairs for ms in _clears(answers["barge_ins"], caller["clears"])],
        connect_ms=[one["first_sound_ms"] for one in told if one["first_sound_ms"] is not None],
        memory_kb=(memory_kb - idle_kb) / calls,
        threads=threads,
        tasks=tasks,
        ready_ms=ready_ms,
        first_sound_ms=first["now_ms"] - process.started_ms,
        marks_lost=1 - (len(in_ms) + len(out_ms)) / max(1, in_said + out_said),
        generator_late_ms=percentile(late, 99),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


def _pairs(callers: list[Any], conversations: list[Any]) -> Iterable[tuple[Any, Any]]:
    """Bring each caller together with its connection to the API, by the three digits that it said first."""
    for conversation in conversations:
        digits = [number for number, *_ in conversation["heard"][:3]]
        if len(digits) == 3:
            number = digits[0] << 8 | digits[1] << 4 | digits[2]
            if number < len(callers):
                yield callers[number], conversation


def _in_step(said: list[Any], heard: list[Any]) -> list[tuple[float, float]]:
    """Return for each mark that the API heard when it was said, and how late it came, shift within the sound included."""
    late: list[tuple[float, float]] = []
    for number, at_ms, rest_ms in heard:
        mark = _said_before(said, number, at_ms)
        if mark is not None:
            shift_ms = mark[2] - rest_ms
            late.append((mark[1], at_ms - mark[1] + (shift_ms if abs(shift_ms) <= _IN_STEP_MS else 0.0)))
    return late


def _at(said: list[Any], heard: list[Any]) -> list[tuple[float, float]]:
    late: list[tuple[float, float]] = []
    for number, at_ms in heard:
        mark = _said_before(said, number, at_ms + 0.5)
        if mark is not None:
            late.append((mark[1], at_ms - mark[1]))
    return late


def _said_before(said: list[Any], number: int, at_ms: float) -> Any:
    """Return the last mark with a number that was said before a time."""
    index = bisect_right(said, at_ms, key=lambda mark: mark[1])
    return next((mark for mark in reversed(said[:index]) if mark[0] == number), None)


def _late(
    calls: list[tuple[list[tuple[float, float]], list[Any]]], from_ms: float
) -> tuple[list[float], int]:
    """Return how late marks were that were said since a time, and how many were said; the last second may be under way."""
    until_ms = max((mark[1] for _, said in calls for mark in said), default=0.0) - 1000
    late = [ms for one, _ in calls for at_ms, ms in one if from_ms <= at_ms <= until_ms]
    return late, sum(from_ms <= mark[1] <= until_ms for _, said in calls for mark in said)


def _clears(barge_ins: list[float], clears: list[float]) -> list[float]:
    """Return how long after each barge-in the next `clear` came."""
    return [
        clears[index] - at_ms
        for at_ms in barge_ins
        if (index := bisect_right(clears, at_ms)) < len(clears) and clears[index] - at_ms < 1000
    ]


def _now_ms() -> float:
    import time

    return time.perf_counter() * 1000
