"""Load: many telephone calls at once, and many short ones one after another, in one process, on loopback.

python -m tests.reliability.soak                          50 calls at once for ten minutes, then 1,000 short ones
python -m tests.reliability.soak --calls 20 --minutes 1 --short 100

It prints a table of what the process held before and after, and of how late callers heard answers; it fails if
something was left or not answered. How late things were is shown and not judged, since that is the machine's doing as well.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
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
        late_ms: Of each answer, from the end of its question to its first sound.
        before: What the process held.
        after: What it held when all calls were over.
    """

    calls: int
    answers: int
    silent: int
    late_ms: list[float]
    before: Footprint
    after: Footprint

    @property
    def growth(self) -> Footprint:
        """What the process holds more than before."""
        return self.after - self.before

    @property
    def slowest_ms(self) -> float:
        """The longest wait for an answer's first sound."""
        return max(self.late_ms, default=0.0)

    def wait_ms(self, share: float) -> float:
        """Return the wait that this share of the answers stayed below."""
        ordered = sorted(self.late_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

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
        self.late_ms: list[float] = []
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
                self.late_ms.append((clock() - asked) * 1000)
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
        after = await _settled(before)
    return Load(calls.calls, calls.answers, calls.silent, calls.late_ms, before, after)


async def _over(phone: Phone) -> None:
    await phone.all_ended()
    # A socket that has just been closed is let go of by the loop's next turns.
    await asyncio.sleep(0.2)


async def _settled(before: Footprint) -> Footprint:
    """Return what is held once the loop came to all that was let go of, for which a busy machine takes its time."""
    for _ in range(50):
        after = footprint()
        if after.tasks <= before.tasks and after.descriptors <= before.descriptors:
            break
        await asyncio.sleep(0.1)
    return footprint()


def table(done: Load, secs: float) -> str:
    """Return what came of it, as `docs/reliability.md` has it."""
    before, after = done.before, done.after
    rows = [
        ("memory, MB", f"{before.memory / 1e6:.1f}", f"{after.memory / 1e6:.1f}"),
        ("tasks", str(before.tasks), str(after.tasks)),
        ("descriptors", str(before.descriptors), str(after.descriptors)),
    ]
    lines = ["| | before | after |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows), ""]
    waits = " / ".join(f"{done.wait_ms(share):.0f}" for share in (0.5, 0.99, 1.0))
    lines += ["| | |", "|---|---|", f"| calls | {done.calls} in {secs:.0f} s |"]
    lines += [f"| answers | {done.answers}, not answered: {done.silent} |"]
    lines += [f"| from question to answer, ms: p50 / p99 / most | {waits} |"]
    return "\n".join(lines)


def main() -> int:
    """Return whether anything was wrong."""
    parser = argparse.ArgumentParser(description="Many calls, at once and one after another.")
    parser.add_argument("--calls", type=int, default=50, help="calls at once")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they last")
    parser.add_argument("--short", type=int, default=1000, help="short calls after that, one after another")
    options = parser.parse_args()
    logger.remove()
    logging.getLogger("websockets").setLevel(logging.ERROR)
    _allow_descriptors(10 * options.calls + 200)
    began = time.monotonic()
    done = asyncio.run(load(at_once=options.calls, secs=options.minutes * 60, short=options.short))
    print(table(done, time.monotonic() - began))
    for problem in done.problems():
        print(f"! {problem}")
    return 1 if done.problems() else 0


def _allow_descriptors(wanted: int) -> None:
    """Both ends of every socket are in this process; where the system's usual limit is too small, it is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
