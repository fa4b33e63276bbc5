"""Load: many telephone calls at once, and many short ones one after another, in one process, on loopback.

python -m tests.reliability.soak                          50 calls at once for ten minutes, then 1,000 short ones
python -m tests.reliability.soak --at-once 20 --secs 60 --short 100

It says how memory, tasks and descriptors grew, and how late the caller heard what was said; it fails if there is growth.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from tests.support.calls import Phone, answering, service
from tests.support.tones import spoken, tone_server
from voicepipe.local.carriers import CarrierName, LocalCall

CARRIERS: tuple[CarrierName, ...] = ("twilio", "telnyx", "plivo")
MOST_BYTES_A_CALL = 100_000
"""Memory that is not given back by the system's allocator; a call that were kept would be a megabyte."""


@dataclass(frozen=True)
class Footprint:
    """What a process holds.

    Parameters:
        memory: Resident, in bytes.
        tasks: Of the loop.
        descriptors: Files and sockets.
    """

    memory: int
    tasks: int
    descriptors: int

    def __sub__(self, other: Footprint) -> Footprint:
        return Footprint(
            self.memory - other.memory, self.tasks - other.tasks, self.descriptors - other.descriptors
        )


@dataclass(frozen=True)
class Load:
    """What came of a run.

    Parameters:
        calls: How many there were.
        answers: How many questions were answered.
        silent: How many were not, within ten seconds.
        slowest_ms: From the end of a question to its answer's first sound, at worst.
        growth: Of the process.
    """

    calls: int
    answers: int
    silent: int
    slowest_ms: float
    growth: Footprint

    def problems(self) -> list[str]:
        """Return what is wrong."""
        problems: list[str] = []
        if self.silent:
            problems.append(f"{self.silent} questions were not answered")
        if self.growth.tasks > 0 or self.growth.descriptors > 0:
            problems.append(f"{self.growth.tasks} tasks and {self.growth.descriptors} descriptors are left")
        if self.growth.memory > MOST_BYTES_A_CALL * self.calls + 20_000_000:
            problems.append(f"memory grew by {self.growth.memory / 1e6:.1f} MB")
        return problems


def footprint() -> Footprint:
    """Return what this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    tasks = len(asyncio.all_tasks())
    return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), tasks, len(os.listdir("/proc/self/fd")))


class _Calls:
    def __init__(self, url: str) -> None:
        self.answers = self.silent = self.calls = 0
        self.slowest_ms = 0.0
        self._url = url

    async def one(self, number: int, secs: float) -> None:
        """Call, ask until the time is over, at least once, and hang up."""
        clock = asyncio.get_running_loop().time
        ends = clock() + secs
        async with LocalCall(self._url, CARRIERS[number % len(CARRIERS)]) as call:
            self.calls += 1
            while True:
                await self._ask(call)
                if clock() >= ends:
                    return

    async def _ask(self, call: LocalCall) -> None:
        clock = asyncio.get_running_loop().time
        await call.say(spoken("hello", 8000))
        asked, before_ms = clock(), call.played_ms
        try:
            async with asyncio.timeout(10):
                await call.until_played(before_ms + 20)
                self.slowest_ms = max(self.slowest_ms, (clock() - asked) * 1000)
                await call.until_answered(quiet_ms=300)
        except (TimeoutError, ConnectionError):
            self.silent += 1
        else:
            self.answers += 1


async def load(*, at_once: int, secs: float, short: int) -> Load:
    """Run calls: first so many at once for so long, then so many short ones, one after another."""
    async with (
        tone_server(max_sessions=at_once + 4) as server,
        answering(lambda: service(server), keeps=False) as phone,
    ):
        # What is loaded and set up once does not count.
        await _Calls(phone.url).one(0, 0)
        await _over(phone)
        before = footprint()
        calls = _Calls(phone.url)
        async with asyncio.TaskGroup() as callers:
            for number in range(at_once):
                callers.create_task(calls.one(number, secs), name=f"caller {number}")
        for number in range(short):
            await calls.one(number, 0)
        await _over(phone)
        growth = footprint() - before
    return Load(calls.calls, calls.answers, calls.silent, calls.slowest_ms, growth)


async def _over(phone: Phone) -> None:
    await phone.all_ended()
    # A socket that has just been closed is let go of by the loop's next turns.
    await asyncio.sleep(0.2)


def main() -> int:
    """Return whether anything was wrong."""
    parser = argparse.ArgumentParser(description="Many calls, at once and one after another.")
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--secs", type=float, default=600.0)
    parser.add_argument("--short", type=int, default=1000)
    options = parser.parse_args()
    logger.remove()
    logging.getLogger("websockets").setLevel(logging.ERROR)
    began = time.monotonic()
    done = asyncio.run(load(at_once=options.at_once, secs=options.secs, short=options.short))
    growth = done.growth
    print(f"{done.calls} calls, {done.answers} answers in {time.monotonic() - began:.0f} s")
    print(f"slowest answer {done.slowest_ms:.0f} ms after its question, not answered: {done.silent}")
    print(f"growth: {growth.memory / 1e6:.1f} MB, {growth.tasks} tasks, {growth.descriptors} descriptors")
    for problem in done.problems():
        print(f"! {problem}")
    return 1 if done.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
