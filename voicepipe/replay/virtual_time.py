"""An event loop whose clock jumps to the next timer: an hour passes as fast as what happens in it can be computed."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, arrival_secs: float) -> None:
        super().__init__()
        self._arrival_secs = arrival_secs
        self.now_secs = 0.0
        self.held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.held:
            # A thread's result belongs to the moment at which it was asked for, however long it takes.
            return super().select(None)
        ready = super().select(self._arrival_secs) if self._arrival_secs else []
        if not ready:
            self.now_secs += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at time 0 and never waits for a timer. Time stands still while a thread works.

    Without sockets the same input makes the same happen in the same order. What waits on another machine must not be run on
    it, since its time would run away meanwhile.

    Args:
        arrival_secs: What bytes that are under way between sockets of this process get to arrive before time jumps.
    """

    def __init__(self, arrival_secs: float = 0.0) -> None:
        self._jumping = _JumpingSelector(arrival_secs)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping.now_secs

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run something in a thread, and let no time pass until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.held += 1
        future.add_done_callback(self._thread_is_done)
        return future

    @contextmanager
    def held(self) -> Generator[None]:
        """Let no time pass in the block: what it waits for works in a thread that this loop does not know of."""
        self._jumping.held += 1
        try:
            yield
        finally:
            self._jumping.held -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait for the threads, however long they take: virtual time for that would be over at once."""
        del timeout
        await super().shutdown_default_executor()

    def _thread_is_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.held -= 1
