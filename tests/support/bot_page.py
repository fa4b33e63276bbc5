"""`voicepipe run` in a process of its own, as a person starts it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from voicepipe.cli.exits import Exit

WITHIN_SECS = 60.0
_URL = re.compile(r"http://127\.0\.0\.1:\d+/")


class Command:
    """A running command and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""

    async def until(self, text: str | re.Pattern[str]) -> str:
        """Wait until it has printed `text`; returns all that it printed."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_SECS):
            while not re.search(text if isinstance(text, re.Pattern) else re.escape(text), self.printed):
                line = await self.process.stdout.readline()
                assert line, f"it ended: {self.printed}"
                self.printed += line.decode()
        return self.printed


@asynccontextmanager
async def command(*arguments: str, speech: str = "local", **env: str) -> AsyncIterator[Command]:
    """Run `voicepipe ...` until left; then it has to end by itself at SIGINT."""
    start = [sys.executable, "-c", "from voicepipe.cli import main; main()", *arguments]
    environment = {**os.environ, "VOICEPIPE_SPEECH": speech, "COLUMNS": "200", **env}
    environment.pop("OPENAI_API_KEY", None)
    process = await asyncio.create_subprocess_exec(
        *start,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment, **env},
    )
    running = Command(process)
    try:
        yield running
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(WITHIN_SECS):
            rest, _ = await process.communicate()
        running.printed += rest.decode()
        assert process.returncode == Exit.OK, running.printed
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@asynccontextmanager
async def bot_page(*arguments: str | Path, speech: str = "local") -> AsyncIterator[tuple[str, Command]]:
    """Serve a bot's page; yields its address."""
    options = [str(argument) for argument in arguments]
    async with command("run", *options, "--port", "0", "--local", speech=speech) as running:
        printed = await running.until(_URL)
        found = _URL.search(printed)
        assert found is not None
        yield found.group(), running
