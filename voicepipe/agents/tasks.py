"""The tasks of one session, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from loguru import logger


class Tasks:
    """Owns tasks: what is started here is ended by `aclose`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something beside everything else; if it fails, that is logged."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def promise(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Future[None]:
        """Run something, and return a future that is done when it has ended, by itself or by `aclose`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                # It has been logged; who does not wait for it need not hear of it again.
                future.exception()

        self.start(coroutine, name).add_done_callback(ended)
        return future

    async def aclose(self) -> None:
        """End all tasks but the one that asks for it, and wait for their end."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.opt(exception=error).error(f"{task.get_name()} failed")
