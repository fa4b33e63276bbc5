"""A realtime server of which a test writes each line: for what a service does with what the wire says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Admit: TypeAlias = Callable[[ServerConnection, Request], Response | Awaitable[Response | None] | None]
WITHIN_SECS = 5.0
"""No test waits longer for anything."""


class ScriptedServer:
    """Takes one connection after the other; what clients send is kept until the test asks for it.

    Args:
        admit: Answers a handshake; None lets the client in.
    """

    def __init__(self, admit: Admit | None = None) -> None:
        self._admit = admit
        self.headers: Mapping[str, str] = {}
        self.path = ""
        self.received: list[dict[str, Any]] = []
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._new: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self._connection: ServerConnection | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._admit, compression=None, max_size=None
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/v1/realtime"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers, self.path = dict(connection.request.headers.raw_items()), connection.request.path
        self._new.put_nowait(connection)
        async for message in connection:
            event = json.loads(message)
            self.received.append(event)
            self._events.put_nowait(event)

    async def _current(self) -> ServerConnection:
        if self._connection is None:
            await self.next_connection()
        assert self._connection is not None
        return self._connection

    async def next_connection(self) -> None:
        """Wait until a client connects; from here on the test talks with that one."""
        async with asyncio.timeout(WITHIN_SECS):
            self._connection = await self._new.get()

    async def say(self, *lines: bytes) -> None:
        connection = await self._current()
        for one in lines:
            await connection.send(one, text=True)

    async def say_binary(self, message: bytes) -> None:
        await (await self._current()).send(message, text=False)

    async def hang_up(self, code: int = 1000, reason: str = "") -> None:
        await (await self._current()).close(code, reason)

    async def vanish(self) -> None:
        """Drop the connection without a close frame."""
        (await self._current()).transport.abort()

    async def expect(self, type_: str) -> dict[str, Any]:
        """Return the next event of a type; those before it are passed over."""
        async with asyncio.timeout(WITHIN_SECS):
            while True:
                event = await self._events.get()
                if event["type"] == type_:
                    return event
