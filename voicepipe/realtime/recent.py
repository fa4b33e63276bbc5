"""The newest sound of the user as it went over the wire, so that it can be sent again."""

from __future__ import annotations

from collections import deque

from voicepipe.realtime.events import Send


class RecentSound:
    """Messages of sound, no more of them than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Only their bytes, which the garbage collector has no need to look at: a process of many calls has thousands.
        self._messages: deque[bytes] = deque()
        self._bytes = 0

    def add(self, message: Send) -> None:
        """Keep a message; the oldest ones make room for it."""
        text, messages = message.message, self._messages
        messages.append(text)
        self._bytes += len(text)
        while self._bytes > self.limit and len(messages) > 1:
            self._bytes -= len(messages.popleft())

    def newest(self, size: int) -> list[Send]:
        """Return the newest messages, as many as are needed for so many bytes, oldest first."""
        found: deque[Send] = deque()
        for text in reversed(self._messages):
            if size <= 0:
                break
            found.appendleft(_sound(text))
            size -= len(text)
        return list(found)

    def take(self) -> list[Send]:
        """Return all messages, oldest first, and forget them."""
        taken = [_sound(text) for text in self._messages]
        self.clear()
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self._bytes = 0


def _sound(text: bytes) -> Send:
    return Send(text, droppable=True)
