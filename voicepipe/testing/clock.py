"""An event loop whose clock jumps to the next timer: a call of a minute passes as fast as it can be computed.

Sockets on loopback stay real: before it jumps, the loop gives bytes that are under way a moment to arrive. Time stands still
while a thread works. What waits on another machine must not be run on it, since its time would run away meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

_ARRIVAL_SECS: Final = 0.0005
"""Enough for bytes that another socket of this process has just sent, too little to be felt."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_secs = 0.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.threads_at_work:
            return super().select(None)
        ready = super().select(_ARRIVAL_SECS)
        if not ready:
            self.now_secs += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at time 0 and never waits for a timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping.now_secs

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run something in a thread, and let no time pass until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads_at_work += 1
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.threads_at_work -= 1
