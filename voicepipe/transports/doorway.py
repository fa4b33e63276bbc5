"""Where a web server's connections come in: who does not come to the point is let go, and not everybody gets in at once.

aiohttp waits for ever for a first request. A stranger who sends none, or one byte of it now and then, would keep a socket
open for as long; a thousand of them would keep carriers out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web
from loguru import logger

KEEP_ALIVE_SECS: Final = 75.0
"""How long a connection is kept between two requests; for `web.AppRunner`, which would keep it for an hour."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doorway:
    """Listens for an aiohttp application.

        doorway = Doorway(first_secs=10, connections=1000)
        runner = web.AppRunner(web.Application(middlewares=[doorway.middleware]))
        await runner.setup()
        await doorway.open(runner, "127.0.0.1", 8000)
        ...
        doorway.close()
        await runner.cleanup()

    Args:
        first_secs: How long a connection may take until the head of its first request is there.
        connections: How many there may be at once; one more is closed without an answer.
    """

    def __init__(self, *, first_secs: float, connections: int) -> None:
        self.turned_away = 0
        """How many connections were one too many."""
        self.let_go = 0
        """How many did not come to the point."""
        self._first_secs = first_secs
        self._connections = connections
        self._waiting: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 while it does not."""
        return self._listener.sockets[0].getsockname()[1] if self._listener is not None else 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Take note that a connection came to the point."""
        timer = self._waiting.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    async def open(self, runner: web.AppRunner, host: str, port: int) -> None:
        """Listen for a runner that was set up.

        Raises:
            OSError: The port cannot be used.
        """
        server = runner.server
        assert server is not None, "the runner is not set up"

        def let_in() -> asyncio.BaseProtocol:
            if len(server.connections) >= self._connections:
                self._turn_away()
                return _TurnedAway()
            handler = server()
            self._waiting[handler] = loop.call_later(self._first_secs, self._let_go, handler)
            return handler

        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(let_in, host, port)

    def close(self) -> None:
        """Listen no more; connections that are open are the runner's to end."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def _turn_away(self) -> None:
        self.turned_away += 1
        if self.turned_away == 1:
            logger.warning(f"there are {self._connections} connections already, further ones are closed")

    def _let_go(self, handler: web.RequestHandler) -> None:
        del self._waiting[handler]
        if handler.transport is not None:
            self.let_go += 1
            handler.transport.abort()


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's derive from another class.
        cast("asyncio.Transport", transport).abort()
