"""What is to go to a carrier and has not gone yet: bounded, and a `clear` goes ahead of all of it."""

from __future__ import annotations

import asyncio
from collections import deque


class SendQueue:
    """Messages in their order.

    Args:
        max_chars: How much may wait. Only a carrier that does not read makes anything wait here.
    """

    def __init__(self, max_chars: int) -> None:
        self.dropped = 0
        """How many messages of sound found no room."""
        self._max_chars = max_chars
        self._messages: deque[str] = deque()
        self._chars = 0
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._is_closed = False

    @property
    def waiting_chars(self) -> int:
        """How much waits."""
        return self._chars

    def put(self, message: str) -> None:
        """Add a message that must not be lost: it is small."""
        if self._is_closed:
            return
        self._messages.append(message)
        self._chars += len(message)
        self._nothing.clear()
        self._something.set()

    def has_room_for(self, message: str) -> bool:
        """Whether there is room for a message of sound; one that has to be dropped is counted."""
        has_room = self._chars + len(message) <= self._max_chars
        self.dropped += not has_room
        return has_room

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._messages

    def clear(self) -> None:
        """Throw away all that waits."""
        self._messages.clear()
        self._chars = 0

    async def next(self) -> str:
        """Return the message whose turn it is, after the one before has gone; wait until there is one."""
        while not self._messages:
            self._something.clear()
            self._nothing.set()
            await self._something.wait()
        message = self._messages.popleft()
        self._chars -= len(message)
        return message

    async def until_gone(self) -> None:
        """Wait until all messages have gone, or nobody takes them any more."""
        await self._nothing.wait()

    def close(self) -> None:
        """Take no message any more and keep none: nobody takes them."""
        self._is_closed = True
        self.clear()
        self._nothing.set()
