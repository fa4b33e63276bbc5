"""A phone with many calls that is killed, started again, and told to end: what was said stays in its records.

The phone has a process of its own. Callers, the carrier and the API's server are here, so they live on, and know what was
heard.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from websockets.exceptions import InvalidHandshake

from tests.reliability.soak.load import ANSWERED_SECS, SCRIPT
from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.errors import CallNotTakenError
from voicepipe.local import LocalServer
from voicepipe.local.carriers import LocalCall
from voicepipe.telemetry.records import RecordReader

ROOT: Final = Path(__file__).parents[3]
ANSWER: Final = "Hello! How can I help you?"
STARTS_SECS: Final = 120.0
"""How long a process may take to load, or to end beyond its limit, on a busy machine."""
SHUTDOWN_SECS: Final = 8.0
KILLED_WITHIN_SECS: Final = 5.0


@dataclass
class Ends:
    """What came of it.

    Parameters:
        calls: How many there were each time.
        killed_turns: Turns that had been finished when the process was killed.
        drained_turns: Turns that had been finished when the other one ended.
        left_open: Calls that the killed process left open and its successor marked as abandoned.
        drained: Calls that were ended in order after SIGTERM.
        drain_secs: From SIGTERM to the end of the process.
        problems: What is wrong.
    """

    calls: int
    killed_turns: int = 0
    drained_turns: int = 0
    left_open: int = 0
    drained: int = 0
    drain_secs: float = 0.0
    problems: list[str] = field(default_factory=list[str])


@dataclass
class _Callers:
    far: FakeCarrier
    url: str
    finished: Counter[str] = field(default_factory=Counter[str])
    """Turns of which callers heard the whole answer, and the beginning of the next one, by the caller's number."""
    troubles: list[str] = field(default_factory=list[str])
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when those shall hang up who do so by themselves."""
    may_end: bool = False
    """Whether calls may end by the phone's doing."""
    talking: int = 0
    """Callers who have heard two answers."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def one(self, number: str, *, leaves: bool) -> None:
        """Call and ask until the phone ends the call, or until callers shall leave."""
        try:
            call_id, stream = await self.far.ring(self.url, caller=number)
            async with self.far.local_call(call_id, stream) as call:
                await self._talk(call, number, leaves=leaves)
        except (CallNotTakenError, InvalidHandshake, OSError, TimeoutError) as error:
            if isinstance(error, ConnectionError) and self.may_end:
                return
            self.troubles.append(f"{number}: {type(error).__name__}: {error}")
            async with self.changed:
                self.changed.notify_all()

    async def _talk(self, call: LocalCall, number: str, *, leaves: bool) -> None:
        answers = 0
        while not (leaves and self.leave.is_set()):
            before_ms = call.played_ms
            await call.say(spoken("hello", 8000))
            async with asyncio.timeout(ANSWERED_SECS):
                await call.until_played(before_ms + 20)
                if answers:
                    self.finished[number] += 1
                await call.until_answered(after_ms=before_ms)
            answers += 1
            if answers == 2:
                async with self.changed:
                    self.talking += 1
                    self.changed.notify_all()

    async def all_talking(self, calls: int) -> bool:
        """Wait until everybody has heard two answers; return whether that came to be."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.talking == calls or bool(self.troubles))
        return not self.troubles


async def ends(*, calls: int, seed: int, folder: Path) -> Ends:
    """Kill a phone with so many calls at a moment that `seed` gives, start the next one, and have that end by SIGTERM."""
    done, chance, records = Ends(calls), random.Random(seed), folder / "ends.sqlite"
    async with tone_server(SCRIPT, max_sessions=3 * calls) as server, FakeCarrier("twilio") as far:
        async with _phone(records, server, far, calls) as (process, url):
            killed, group = await _talking(done, far, url, "+1555100", calls)
            await asyncio.sleep(chance.random() * KILLED_WITHIN_SECS)
            killed.may_end = True
            process.kill()
            # Before anything asks the process again: a second `kill` would take its status from who waits for it.
            await process.wait()
            await asyncio.gather(*group)
        async with _phone(records, server, far, calls) as (process, url):
            drained, group = await _talking(done, far, url, "+1555200", calls)
            await _sigterm(done, process, drained)
            await asyncio.gather(*group)
    done.problems += [*killed.troubles, *drained.troubles]
    done.killed_turns, done.drained_turns = killed.finished.total(), drained.finished.total()
    await _check_records(done, records, killed, drained)
    return done


async def _talking(
    done: Ends, far: FakeCarrier, url: str, prefix: str, calls: int
) -> tuple[_Callers, list[asyncio.Task[None]]]:
    """Have so many callers call; return when all talk. Every second one leaves when callers shall."""
    callers = _Callers(far, url)
    group = [
        asyncio.create_task(callers.one(f"{prefix}{number:04d}", leaves=number % 2 == 0), name="caller")
        for number in range(calls)
    ]
    if not await callers.all_talking(calls):
        done.problems.append(f"only {callers.talking} of {calls} callers were answered twice")
    return callers, group


async def _sigterm(done: Ends, process: Process, callers: _Callers) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    callers.may_end = True
    process.send_signal(signal.SIGTERM)
    callers.leave.set()
    try:
        async with asyncio.timeout(SHUTDOWN_SECS + STARTS_SECS):
            status = await process.wait()
    except TimeoutError:
        done.problems.append("the phone did not end after SIGTERM")
        return
    done.drain_secs = clock() - began
    if status != 0:
        done.problems.append(f"after SIGTERM the phone ended with status {status}")


async def _check_records(done: Ends, path: Path, killed: _Callers, drained: _Callers) -> None:
    async with RecordReader.open(path) as reader:
        rows = await reader.calls(limit=4 * done.calls)
        stored = {row["caller"]: await reader.call(row["id"]) for row in rows}
    done.left_open = sum(one.call["end_reason"] == "process_died" for one in stored.values())
    done.drained = sum(one.call["status"] == "ended" for one in stored.values())
    if len(rows) != 2 * done.calls:
        done.problems.append(f"{len(rows)} calls are in the records, not {2 * done.calls}")
    if done.left_open != done.calls:
        done.problems.append(f"{done.left_open} calls were marked as abandoned, not {done.calls}")
    if done.drained != done.calls:
        done.problems.append(f"{done.drained} calls were ended in order, not {done.calls}")
    for number, turns in (*killed.finished.items(), *drained.finished.items()):
        kept = [
            turn
            for turn in (stored[number].turns if number in stored else ())
            if (turn["user_text"], turn["bot_text"]) == ("hello", ANSWER)
        ]
        if len(kept) < turns:
            done.problems.append(f"{number}: {turns} turns were finished, {len(kept)} are in the records")


@asynccontextmanager
async def _phone(
    records: Path, server: LocalServer, far: FakeCarrier, calls: int
) -> AsyncIterator[tuple[Process, str]]:
    """Run a phone in a process of its own; yield that and where it is reached. It is killed if it has not ended."""
    arguments = [str(records), server.url, far.api_url, str(calls), str(SHUTDOWN_SECS)]
    module = "tests.reliability.soak.phone_process"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STARTS_SECS):
            word, _, url = (await process.stdout.readline()).decode().strip().partition(" ")
        if word != "ready":
            raise RuntimeError("the phone did not start; what it says about that is above")
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # Up to Python 3.11 a thread waits for a process, and may be a moment behind its end.
        for thread in threading.enumerate():
            if thread.name.startswith("asyncio-waitpid"):
                thread.join()
