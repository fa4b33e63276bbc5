"""`dev`: the bot in a process of its own, which is ended in order and begun again when one of the bot's files changes."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from loguru import logger

from voicepipe.own_files import WatchedFiles, modules_beside

_CHILD: Final = "VOICEPIPE_RELOADED"
_LOOK_EVERY_SECS: Final = 0.4
_LEAVING_SECS: Final = 15.0


def is_reloaded() -> bool:
    """Whether this process is the bot, and another one watches its files."""
    return os.environ.get(_CHILD) == "1"


async def run_reloading() -> int:
    """Run this program again in a process of its own, and anew whenever its files change.

    Returns:
        The code with which the bot ended by itself. One that failed is begun again when a file changes.
    """
    files = _BotFiles()
    while True:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, *sys.orig_argv[1:], env={**os.environ, _CHILD: "1"}
        )
        try:
            code = await _ended_before_change(bot, files)
        finally:
            await _end(bot)
        if code == 0:
            return 0
        if code is not None:
            logger.error(f"the bot ended with code {code}; it begins again when one of its files changes")
            await files.change()
        logger.info("the bot's files have changed; it begins again")


async def _ended_before_change(bot: asyncio.subprocess.Process, files: _BotFiles) -> int | None:
    """Wait for the bot's end or a change of its files; returns its code, or None for a change."""
    ended = asyncio.create_task(bot.wait(), name="wait for the bot")
    changed = asyncio.create_task(files.change(), name="watch the bot's files")
    try:
        await asyncio.wait([ended, changed], return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else None
    finally:
        for task in (ended, changed):
            task.cancel()
        await asyncio.gather(ended, changed, return_exceptions=True)


async def _end(bot: asyncio.subprocess.Process) -> None:
    """End a bot in order: it finishes what it says; one that does not end is killed."""
    if bot.returncode is not None:
        return
    with suppress(ProcessLookupError):
        bot.terminate()
    try:
        async with asyncio.timeout(_LEAVING_SECS):
            await bot.wait()
    except TimeoutError:
        bot.kill()
        await bot.wait()


class _BotFiles:
    """The program's file and all Python files in the folders of its own modules, so that a new module is seen too."""

    def __init__(self) -> None:
        main = getattr(sys.modules["__main__"], "__file__", None)
        file = Path(main or "bot.py").resolve()
        own = modules_beside(file, list(sys.modules)).values()
        self._folders = {file.parent, *(path.parent for path in own)} if main else set[Path]()
        self._watched = WatchedFiles()
        self._look()

    async def change(self) -> None:
        """Wait for a change."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECS)
            if self._look():
                return

    def _look(self) -> bool:
        return self._watched.look(path for folder in self._folders for path in folder.glob("*.py"))
