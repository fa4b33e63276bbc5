"""Events on their way to a client, in order; bounded by letting those wait who make them."""

from __future__ import annotations

import asyncio
from typing import Final

from voicepipe.local.wishes import Event

_FULL: Final = 256


class Outbox:
    """A queue whose makers are asked to wait before they make more, since they make several events at once."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_closed = False

    def put(self, event: Event) -> None:
        """Add an event; ask for room before, where that is possible. Once it is closed, nothing is kept."""
        if self._is_closed:
            return
        self._events.put_nowait(event)
        if self._events.qsize() >= _FULL:
            self._has_room.clear()

    async def get(self) -> Event:
        """Take the next event; call `sent` when it has gone out."""
        event = await self._events.get()
        if self._events.qsize() < _FULL:
            self._has_room.set()
        return event

    def sent(self) -> None:
        """Say that the event taken last has gone out."""
        self._events.task_done()

    def close(self) -> None:
        """Say that nothing goes out any more: what is left is dropped, and nobody has to wait."""
        self._is_closed = True
        self._has_room.set()
        while not self._events.empty():
            self._events.get_nowait()
            self._events.task_done()

    async def room(self) -> None:
        """Wait while it is full: a client that does not read gets no more, and is not listened to."""
        await self._has_room.wait()

    async def empty(self) -> None:
        """Wait until everything has gone out, or never will."""
        await self._events.join()
