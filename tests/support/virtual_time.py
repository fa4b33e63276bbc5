"""An event loop whose clock jumps to the next timer when nothing else is left to do.

Sockets on loopback stay real: before it jumps, the loop gives bytes that are under way a moment to arrive. Anything that
waits on another thread or process must not be run on this loop, because its time would run away meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping

# Long enough for loopback bytes that another socket of this process has just sent, short enough not to be felt.
_ARRIVAL_SECS = 0.0005


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if ready or timeout <= 0:
            return ready
        ready = super().select(_ARRIVAL_SECS)
        if not ready:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop that starts at time 0 and never waits for a timer."""

    def __init__(self, *_: object, **__: Mapping[str, object]) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
