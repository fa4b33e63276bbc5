"""Connections of which each message was recorded: a link is given these in place of sockets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TypeAlias

from voicepipe.errors import ConnectionRefused
from voicepipe.realtime.connection import Closed, Endpoint, Limits, OnClosed, OnMessage
from voicepipe.realtime.events import Send
from voicepipe.rests import done

_Arrival: TypeAlias = bytes | Closed


class RecordedWire:
    """The wire of one service: the first connection that is dialled is the first one of the recording, and so on."""

    def __init__(self) -> None:
        self._dialled = 0
        self._is_over = False
        self._opened: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._arrivals: dict[int, asyncio.Queue[_Arrival]] = defaultdict(asyncio.Queue)

    def dial(
        self, endpoint: Endpoint, on_message: OnMessage, on_closed: OnClosed, limits: Limits | None
    ) -> RecordedConnection:
        """Return the next connection, for `Link.dial`."""
        del endpoint, limits
        self._dialled += 1
        return RecordedConnection(self, self._dialled, on_message, on_closed)

    def opened(self, link: int) -> None:
        """A connection was opened at this moment of the recording."""
        self._opened[link].set()

    def arrived(self, link: int, arrival: bytes | Closed) -> None:
        """A message came, or the end; whoever dials later than in the recording gets it later."""
        self._arrivals[link].put_nowait(arrival)

    def over(self) -> None:
        """The recording has no more connections."""
        self._is_over = True
        for event in self._opened.values():
            event.set()

    async def until_opened(self, link: int) -> asyncio.Queue[_Arrival]:
        """Wait until a connection was opened; return what comes over it.

        Raises:
            ConnectionRefused: The recording has no such connection.
        """
        if not self._is_over:
            await self._opened[link].wait()
        if link not in self._arrivals and self._is_over:
            raise ConnectionRefused("the recording has no further connection", "protocol")
        return self._arrivals[link]


class RecordedConnection:
    """One connection of a recording.

    Args:
        wire: Where it comes from.
        link: Its number, from 1.
        on_message: Called with each message; what it leaves is awaited.
        on_closed: Awaited if it ended.
    """

    def __init__(self, wire: RecordedWire, link: int, on_message: OnMessage, on_closed: OnClosed) -> None:
        self._wire = wire
        self._link = link
        self._on_message = on_message
        self._on_closed = on_closed
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Wait for the moment at which it was opened.

        Raises:
            ConnectionRefused: The recording has no such connection.
        """
        arrivals = await self._wire.until_opened(self._link)
        self._reading = asyncio.create_task(self._read(arrivals), name=f"replay connection {self._link}")

    @property
    def waiting_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def send(self, message: Send) -> bool:  # noqa: ARG002
        """Nobody listens; what is sent is seen by the link's taps."""
        return True

    def abandon(self, why: str) -> None:
        """Nothing: if the recorded connection was given up, the recording holds its end."""

    async def close(self) -> None:
        """End it. May be called more than once, and from within what it calls."""
        task, self._reading = self._reading, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read(self, arrivals: asyncio.Queue[_Arrival]) -> None:
        while True:
            arrival = await arrivals.get()
            if isinstance(arrival, Closed):
                await self._on_closed(arrival)
                return
            await done(self._on_message(arrival))
