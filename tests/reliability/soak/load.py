"""Calls to three phones, one of each carrier, in one process: first many at once, then many short ones.

While the most calls run that the phones take, a few more ring, and have to hear the busy tone.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from tests.reliability.soak.footprint import Footprint, settled
from tests.reliability.soak.sound import LINE_BYTES_PER_MS, Ledger, Line, gaps_ms, late_ms, now_ms
from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.errors import CallNotTakenError
from voicepipe.local import LocalServer
from voicepipe.local.carriers import LocalCall
from voicepipe.phone import OpenAIRealtime, Phone, PhoneLimits
from voicepipe.transports.sound import Sound

SCRIPT: Final = """
otherwise: "What?"
rules:
  - hear: hello
    say: Hello! How can I help you?
"""
LINES: Final = 8
"""How many short calls there are at once; few, as a phone still counts a call for a moment after its caller has left."""
MOST_BYTES_A_CALL: Final = 100_000
"""Memory that is not given back by the system's allocator; a call that were kept would be a megabyte."""
EXTRA: Final = 2
"""How many calls too many each phone gets."""
PAUSE_MS: Final = 2000.0
"""The longest pause before a caller asks."""
ANSWERED_SECS: Final = 30.0
"""How long an answer may take until it has been heard to its end; it lasts two seconds."""
LATE_MS: Final = 100.0
"""The stated bound of sound's lateness: 99 in 100 pieces are on the line sooner. An ear notices 150 ms more of waiting."""
WAIT_MS: Final = 1500.0
"""The stated bound of the wait from question to answer for 99 in 100: half a second of it is the server's, which waits
for the caller to go on."""
_ROUNDING_BYTES: Final = 2


@dataclass
class Heard:
    """What callers noticed, of all calls.

    Parameters:
        calls: How many there were.
        answers: How many questions were answered.
        silent: What was not answered, and why.
        wait_ms: Of each answer, from the end of its question to its first sound.
        late_ms: Of each piece of sound, from the API to the carrier.
        gaps_ms: How long nothing was heard within an answer, each time.
        sent_bytes: What the API said, in bytes of the line.
        heard_bytes: What was played to callers.
        lost_bytes: What of `sent_bytes` was not played, answer by answer.
        cut: Answers that the API did not complete.
        busy: Calls too many that heard the busy tone.
        not_busy: What came of those that did not.
    """

    calls: int = 0
    answers: int = 0
    silent: list[str] = field(default_factory=list[str])
    wait_ms: list[float] = field(default_factory=list[float])
    late_ms: list[float] = field(default_factory=list[float])
    gaps_ms: list[float] = field(default_factory=list[float])
    sent_bytes: int = 0
    heard_bytes: int = 0
    lost_bytes: int = 0
    cut: int = 0
    busy: int = 0
    not_busy: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Load:
    """What came of a run.

    Parameters:
        heard: What callers noticed.
        extra: How many calls too many there were.
        failed: Calls that ended with an error, by the phones' account.
        core_share: How much of one core this process, callers and server included, took while most calls ran.
        before: What the process held.
        after: What it held when all calls were over.
    """

    heard: Heard
    extra: int
    failed: list[str]
    core_share: float
    before: Footprint
    after: Footprint

    @property
    def growth(self) -> Footprint:
        """What the process holds more than before."""
        return self.after - self.before

    def problems(self) -> list[str]:
        """Return what is wrong. How late something was is the machine's doing as well, and not in it: see `over_bounds`."""
        heard, growth = self.heard, self.growth
        problems = [*heard.silent[:5], *heard.not_busy, *self.failed[:5]]
        if heard.silent:
            problems.append(f"{len(heard.silent)} questions were not answered")
        if heard.busy != self.extra:
            problems.append(f"{heard.busy} of {self.extra} calls too many heard the busy tone")
        if heard.lost_bytes or heard.cut:
            problems.append(f"{heard.lost_bytes} bytes were lost, {heard.cut} answers cut")
        if growth.tasks > 0 or growth.descriptors > 0:
            problems.append(f"{growth.tasks} tasks and {growth.descriptors} descriptors are left")
        if growth.memory > MOST_BYTES_A_CALL * heard.calls + 20_000_000:
            problems.append(f"memory grew by {growth.memory / 1e6:.1f} MB")
        return problems

    def over_bounds(self) -> list[str]:
        """Return which stated bounds of times were not kept."""
        over: list[str] = []
        if share(self.heard.late_ms, 0.99) > LATE_MS:
            over.append(f"sound: p99 is above {LATE_MS:.0f} ms")
        if share(self.heard.wait_ms, 0.99) > WAIT_MS:
            over.append(f"answers: p99 is above {WAIT_MS:.0f} ms")
        if self.heard.gaps_ms:
            over.append(f"{len(self.heard.gaps_ms)} gaps within answers")
        return over


def share(values: Sequence[float], part: float) -> float:
    """Return the value that this part of all stays at or below; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class Desk:
    """One carrier, and the phone that serves behind it.

    Parameters:
        far: The carrier.
        phone: The phone.
        url: Where it is reached.
    """

    far: FakeCarrier
    phone: Phone
    url: str


class Callers:
    """Places calls, and listens.

    Args:
        desks: Where calls go, in turn.
        ledger: What the API said.
    """

    def __init__(self, desks: Sequence[Desk], ledger: Ledger) -> None:
        self.heard = Heard()
        self.failed: list[str] = []
        self._desks = desks
        self._ledger = ledger
        self._numbers = 0

    async def one(self, secs: float, *, inside: asyncio.Barrier | None = None) -> None:
        """Call, ask until the time is over, at least once, and hang up.

        Args:
            secs: How long.
            inside: Where all wait who have been put through, before they ask.
        """
        number = self._numbers
        self._numbers += 1
        words, line, chance = f"hello {number}", Line(), random.Random(number)
        desk = self._desks[number % len(self._desks)]
        self.heard.calls += 1
        try:
            call = await desk.far.call(desk.url, on_message=line.note)
            async with call:
                if inside is not None:
                    await inside.wait()
                    await _pause(call, chance.uniform(0, PAUSE_MS))
                ends_ms = now_ms() + secs * 1000
                await self._ask(call, words, line)
                while now_ms() < ends_ms:
                    # People do not ask all in the same moment.
                    await _pause(call, chance.uniform(0, PAUSE_MS))
                    await self._ask(call, words, line)
        except (CallNotTakenError, OSError, TimeoutError) as error:
            self.heard.silent.append(f"{words}: {type(error).__name__}: {error}")
            if inside is not None:
                await inside.abort()
        except asyncio.BrokenBarrierError:
            self.heard.silent.append(f"{words}: another call was not put through")
        finally:
            self._ledger.forget(words)

    async def too_many(self) -> None:
        """Ring each phone a few times more often than it takes calls."""
        for desk in self._desks:
            for _ in range(EXTRA):
                try:
                    await desk.far.ring(desk.url)
                except CallNotTakenError as error:
                    if "busy" in str(error).lower():
                        self.heard.busy += 1
                    else:
                        self.heard.not_busy.append(f"{desk.far.name}: {error}")
                else:
                    self.heard.not_busy.append(f"{desk.far.name} put a call too many through")

    async def over(self) -> None:
        """Wait until the phones are done with all calls, and note which failed."""
        results = await asyncio.gather(*(call.result() for desk in self._desks for call in desk.phone.calls))
        self.failed += [result.reason for result in results if result.outcome != "answered"]

    async def _ask(self, call: LocalCall, words: str, line: Line) -> None:
        before, before_ms = self._ledger.said_to(words).answers, call.played_ms
        await call.say(_said(words))
        asked_ms = now_ms()

        def is_heard() -> bool:
            said = self._ledger.said_to(words)
            return said.answers > before and call.played_ms >= before_ms + said.length_ms - 0.5

        async with asyncio.timeout(ANSWERED_SECS):
            await call.until_played(before_ms + 20)
            self.heard.wait_ms.append(now_ms() - asked_ms)
            try:
                await call.until(is_heard)
                await call.until_answered(quiet_ms=300, after_ms=before_ms)
            finally:
                self._compare(words, line, round((call.played_ms - before_ms) * LINE_BYTES_PER_MS))
        self.heard.answers += 1

    def _compare(self, words: str, line: Line, heard_bytes: int) -> None:
        said = self._ledger.said_to(words)
        sent, got = said.take(), line.take()
        sent_bytes = round(sum(piece.length_ms for piece in sent) * LINE_BYTES_PER_MS)
        self.heard.sent_bytes += sent_bytes
        self.heard.heard_bytes += heard_bytes
        if heard_bytes < sent_bytes - _ROUNDING_BYTES:
            self.heard.lost_bytes += sent_bytes - heard_bytes
        self.heard.cut, said.cut = self.heard.cut + said.cut, 0
        self.heard.late_ms += late_ms(sent, got)
        self.heard.gaps_ms += gaps_ms(got)


async def load(*, at_once: int, secs: float, short: int, folder: Path | None = None) -> Load:
    """Run calls: first so many at once for so long, then so many short ones, a few at a time.

    Args:
        at_once: How many; a phone takes no more.
        secs: How long those last.
        short: How many short ones.
        folder: Where phones keep their records; None keeps none.
    """
    ledger = Ledger()
    async with (
        tone_server(SCRIPT, max_sessions=at_once + 4, on_event=ledger.note) as server,
        _desks(server, at_once, folder) as desks,
    ):
        # What is loaded and set up once does not count, nor what so many calls take at once.
        first = Callers(desks, ledger)
        await _all_at_once(first, at_once, 0)
        await first.over()
        before = await settled()
        callers = Callers(desks, ledger)
        # As `Phone.serve` does, which also says why.
        gc.freeze()
        try:
            began, used = time.monotonic(), time.process_time()
            await _all_at_once(callers, at_once, secs)
            core_share = (time.process_time() - used) / (time.monotonic() - began)
            await callers.over()
            await _one_after_another(callers, short, max(1, min(LINES, at_once // 6)))
            await callers.over()
        finally:
            gc.unfreeze()
        after = await settled(before)
    return Load(callers.heard, EXTRA * len(desks), callers.failed, core_share, before, after)


@lru_cache(maxsize=64)
def _said(words: str) -> Sound:
    """Return words as sound; making it takes milliseconds, in which no call hears anything."""
    return spoken(words, 8000)


async def _pause(call: LocalCall, length_ms: float) -> None:
    until_ms = call.said_ms + length_ms
    await call.until(lambda: call.said_ms >= until_ms)


async def _all_at_once(callers: Callers, at_once: int, secs: float) -> None:
    inside = asyncio.Barrier(at_once + 1)
    async with asyncio.TaskGroup() as group:
        for number in range(at_once):
            group.create_task(callers.one(secs, inside=inside), name=f"caller {number}")
        try:
            await inside.wait()
        except asyncio.BrokenBarrierError:
            return
        await callers.too_many()


async def _one_after_another(callers: Callers, calls: int, lines: int) -> None:
    left = iter(range(calls))

    async def line() -> None:
        for _ in left:
            await callers.one(0)

    async with asyncio.TaskGroup() as group:
        for number in range(lines):
            group.create_task(line(), name=f"line {number}")


@asynccontextmanager
async def _desks(server: LocalServer, at_once: int, folder: Path | None) -> AsyncIterator[list[Desk]]:
    """Serve with a phone of each carrier; together they take that many calls, which are put through in turn."""
    names = CARRIERS[:at_once]
    async with AsyncExitStack() as stack:
        desks: list[Desk] = []
        for index, name in enumerate(names):
            far = await stack.enter_async_context(FakeCarrier(name))
            phone = far.phone(records=folder / f"{name}.sqlite" if folder else None)
            agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
            limits = PhoneLimits(calls=len(range(index, at_once, len(names))))
            door = await stack.enter_async_context(phone.serving(agent, port=0, limits=limits))
            desks.append(Desk(far, phone, door.local_url))
        yield desks
