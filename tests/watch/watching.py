"""Somebody who watches calls, without a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from voicepipe.watch import Watch

TOKEN = "a-token-of-the-tests"
WITHIN_SECS = 20.0


@asynccontextmanager
async def served(watch: Watch) -> AsyncIterator[str]:
    """Serve the page alone; yields the origin."""
    app = web.Application()
    watch.add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Told:
    """What a watcher was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a message; returns it."""
        async with asyncio.timeout(WITHIN_SECS):
            while not (found := [one for one in self.messages if condition(one)]):
                await self.more()
        return found[0]

    async def more(self) -> None:
        message = await self.socket.receive()
        assert message.type == aiohttp.WSMsgType.TEXT, message
        self.messages += json.loads(message.data)

    def newest(self, type_: str, index: int) -> dict[str, Any]:
        return [one for one in self.messages if one["type"] == type_ and one["index"] == index][-1]


@asynccontextmanager
async def silent(origin: str, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Somebody who has shown no token yet."""
    given = {"Origin": origin, **headers}
    times = aiohttp.ClientWSTimeout(ws_close=1)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{origin}/calls/live", headers=given, timeout=times) as socket,
    ):
        yield socket


@asynccontextmanager
async def watching(origin: str, token: str = TOKEN, **headers: str) -> AsyncIterator[Told]:
    """Somebody who watches."""
    async with silent(origin, **headers) as socket:
        await socket.send_str(json.dumps({"token": token}))
        yield Told(socket)
