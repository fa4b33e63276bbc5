"""Messages that have come through a socket: whom they are given to, and those that nobody has asked for yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Final, TypeAlias

from voicepipe.rests import Rest

_MOST_WAITING: Final = 16
_FEW_WAITING: Final = 4
"""Beyond so many messages nothing is read until there are but few: the websockets package's own bounds."""

Reader: TypeAlias = Callable[[bytes], Rest]
"""Is called with a message. What it leaves to be awaited is awaited before it is called again."""


class Inbox:
    """Messages in the order in which they came.

    Args:
        hold: Called with True when too many wait, so that no more are read, and with False when there are few.

    Attributes:
        is_lost: Whether there is nothing to come any more.
    """

    __slots__ = ("_hold", "_is_held", "_messages", "_reader", "_rest", "_waiter", "is_lost")

    def __init__(self, hold: Callable[[bool], None]) -> None:
        self.is_lost = False
        self._hold = hold
        self._is_held = False
        # Whether it is text, and its bytes.
        self._messages: deque[tuple[bool, bytes]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        # Who is given messages, and what was left to be awaited of the last one.
        self._reader: Reader | None = None
        self._rest: Rest = None

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for a message, or is given them."""
        return self._waiter is not None or self._reader is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is no message now."""
        return not self._messages

    def arrive(self, is_text: bool, message: bytes) -> None:
        """Take a message: for who is given them, at once if nothing is awaited there."""
        waiter, reader = self._waiter, self._reader
        if reader is not None and waiter is not None and not waiter.done():
            # Nothing waits, and neither does the reader wait for anything but this.
            try:
                rest = reader(message)
            except Exception as error:  # noqa: BLE001 - it is for who asked for messages, and not for the event loop
                rest = partial(_raised, error)
            if rest is not None:
                self._rest = rest
                waiter.set_result(None)
            return
        self._messages.append((is_text, message))
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(None)
        elif len(self._messages) > _MOST_WAITING and not self._is_held:
            self._is_held = True
            self._hold(True)

    def lose(self) -> None:
        """Take note that there is nothing to come any more."""
        self.is_lost = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def oldest(self) -> tuple[bool, bytes]:
        """Take out the oldest message: whether it is text, and its bytes."""
        oldest = self._messages.popleft()
        if self._is_held and len(self._messages) < _FEW_WAITING:
            self._is_held = False
            self._hold(False)
        return oldest

    async def wait(self) -> None:
        """Wait for a message or the end."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def deliver(self, reader: Reader) -> None:
        """Give each message to `reader` as soon as it is there, in this task's context, until there is none to come."""
        with self._read_by(partial(copy_context().run, reader)):
            while True:
                while not self._messages and self._rest is None:
                    if self.is_lost:
                        return
                    await self.wait()
                rest, self._rest = self._rest, None
                if rest is None:
                    rest = reader(self.oldest()[1])
                if rest is not None:
                    await rest()

    @contextmanager
    def _read_by(self, reader: Reader) -> Generator[None]:
        self._reader = reader
        try:
            yield
        finally:
            self._reader = self._rest = None


async def _raised(error: Exception) -> None:
    raise error
