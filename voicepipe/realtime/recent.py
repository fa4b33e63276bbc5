"""The newest sound of the user as it went over the wire, so that it can be sent again."""

from __future__ import annotations

from collections import deque

from voicepipe.realtime.events import Send


class RecentSound:
    """Messages of sound, no more of them than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._messages: deque[Send] = deque()
        self._bytes = 0

    def add(self, message: Send) -> None:
        """Keep a message; the oldest ones make room for it."""
        self._messages.append(message)
        self._bytes += len(message.message)
        while self._bytes > self.limit and len(self._messages) > 1:
            self._bytes -= len(self._messages.popleft().message)

    def newest(self, size: int) -> list[Send]:
        """Return the newest messages, as many as are needed for so many bytes, oldest first."""
        found: deque[Send] = deque()
        for message in reversed(self._messages):
            if size <= 0:
                break
            found.appendleft(message)
            size -= len(message.message)
        return list(found)

    def take(self) -> list[Send]:
        """Return all messages, oldest first, and forget them."""
        taken = list(self._messages)
        self.clear()
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self._bytes = 0
