"""Signals to a process that has calls: SIGTERM ends them in order, SIGKILL leaves nothing in the next one's way."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.tones import spoken, tone_server
from voicepipe.local import LocalServer
from voicepipe.local.carriers import LocalCall

WITHIN_SECS = 60.0
"""No test waits longer for anything; on a busy machine a process takes long to load."""
ROOT = Path(__file__).parents[2]


class Machine:
    """The answering machine, running."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/media"

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_SECS):
            return (await self.process.stdout.readline()).decode().strip()

    async def ended(self) -> int:
        async with asyncio.timeout(WITHIN_SECS):
            return await self.process.wait()


@asynccontextmanager
async def machine(server: LocalServer, port: int = 0) -> AsyncIterator[Machine]:
    arguments = ("-m", "tests.reliability.answering_machine", str(port), server.url)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, cwd=ROOT)
    running = Machine(process)
    try:
        word, _, number = (await running.line()).partition(" ")
        assert word == "ready"
        running.port = int(number)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # Up to Python 3.11 a thread waits for a process, and may be a moment behind its end.
        for thread in threading.enumerate():
            if thread.name.startswith("asyncio-waitpid"):
                thread.join()


async def test_sigterm_in_the_middle_of_an_answer_ends_the_call_and_then_the_process():
    async with tone_server() as server, machine(server) as answering:
        async with LocalCall(answering.url, "twilio") as call:
            async with asyncio.timeout(WITHIN_SECS):
                await call.say(spoken("count to twenty"))
                await call.until_played(300)
            answering.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WITHIN_SECS):
                await call.until_ended()
        assert await answering.line() == "signal SIGTERM"
        assert await answering.line() == "left []"
        assert await answering.ended() == 0


async def test_after_sigkill_during_calls_the_next_process_answers_at_the_same_port():
    async with tone_server() as server:
        async with machine(server) as answering:
            port = answering.port
            calls = [LocalCall(answering.url, carrier) for carrier in ("twilio", "telnyx", "plivo")]
            async with calls[0], calls[1], calls[2]:
                async with asyncio.timeout(WITHIN_SECS):
                    await asyncio.gather(*(call.say(spoken("count to twenty")) for call in calls))
                    await calls[1].until_played(200)
                answering.process.kill()
                async with asyncio.timeout(WITHIN_SECS):
                    await asyncio.gather(*(call.until_ended() for call in calls))
            assert await answering.ended() == -signal.SIGKILL
        async with machine(server, port) as again, LocalCall(again.url, "twilio") as call:
            async with asyncio.timeout(WITHIN_SECS):
                await call.say(spoken("hello"))
                await call.until_played(100)
