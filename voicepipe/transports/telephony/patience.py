"""A time-out for what is waited for again and again, as the next of many messages.

`asyncio.timeout` around each wait makes and cancels a timer 50 times a second and call, which takes 3 µs hot and more in a
call. Here one timer looks again when it could be too late at the earliest; a wait that begins only reads the clock.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from voicepipe.rests import Remainder


class Patience:
    """Ends the block it is entered for with a `TimeoutError`, once a wait within it lasts too long.

        async with Patience(40.0) as patience:
            while True:
                patience.begins()
                message = await socket.recv()
                patience.ends()

    Args:
        secs: How long one wait may last; None is for ever.
    """

    def __init__(self, secs: float | None) -> None:
        self._secs = secs
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._is_over = False

    def begins(self) -> None:
        """A wait begins."""
        clock = self._clock
        self._since = clock()

    def ends(self) -> None:
        """What was waited for is there; what is done with it may take as long as it likes."""
        self._since = None

    async def rests(self, rest: Remainder) -> None:
        """Await something that may take as long as it likes; then the next wait begins."""
        self.ends()
        await rest()
        self.begins()

    async def __aenter__(self) -> Patience:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        if self._secs is not None:
            self._timer = self._loop.call_later(self._secs, self._look, self._secs)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what came of it.

        Raises:
            TimeoutError: A wait lasted too long.
        """
        if self._timer is not None:
            self._timer.cancel()
        # As `asyncio.timeout` does: a task that somebody else has cancelled as well stays cancelled.
        if self._is_over and self._task is not None:
            is_ours_alone = self._task.uncancel() <= self._cancelling
            if is_ours_alone and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self, secs: float) -> None:
        now = self._clock()
        ends = (now if self._since is None else self._since) + secs
        if ends > now:
            self._timer = self._loop.call_at(ends, self._look, secs)
        elif self._task is not None:
            # The task stands in the wait, so that is where it is cancelled.
            self._is_over = True
            self._task.cancel()
