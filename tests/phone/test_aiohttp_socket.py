"""aiohttp's WebSocket as a phone uses it: what is sent at once comes as any message does, and in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicepipe.phone.sockets import AiohttpSocket
from voicepipe.transports.telephony.sockets import PromptSocket

Talk = Callable[[AiohttpSocket], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncGenerator[ClientConnection]:
    """A carrier's end of a socket on whose other end `talk` runs."""

    async def media(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False, timeout=0.5)
        await response.prepare(request)
        assert request.transport is not None
        await talk(AiohttpSocket(response, request.transport))
        return response

    app = web.Application()
    app.router.add_get("/", media)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, max_size=None, proxy=None) as socket:
            yield socket
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_a_message_that_is_sent_at_once_comes_whole_whatever_its_length(size: int):
    async def talk(socket: AiohttpSocket) -> None:
        assert socket.send_now(b"x" * size, "märk".encode())
        await socket.recv()

    async with talking(talk) as carrier:
        assert await carrier.recv() == "x" * size
        assert await carrier.recv() == "märk"
        await carrier.send("enough")


async def test_messages_keep_their_order_however_they_are_sent():
    async def talk(socket: AiohttpSocket) -> None:
        assert isinstance(socket, PromptSocket)
        await socket.send("1")
        assert socket.send_now(b"2", b"3")
        await socket.send("4")
        assert socket.send_now(b"5")
        await socket.recv()

    async with talking(talk) as carrier:
        assert [await carrier.recv() for _ in range(5)] == ["1", "2", "3", "4", "5"]
        await carrier.send("enough")


async def test_nothing_is_sent_at_once_to_a_carrier_that_does_not_read():
    refused = asyncio.Event()

    async def talk(socket: AiohttpSocket) -> None:
        # More than the buffers of a system's sockets hold.
        for _ in range(200):
            if not socket.send_now(b"x" * 100_000):
                refused.set()
                break
        await socket.recv()

    async with talking(talk) as carrier:
        carrier.transport.pause_reading()
        await refused.wait()
        carrier.transport.resume_reading()
        await carrier.send("enough")


async def test_nothing_is_sent_at_once_on_a_socket_that_is_closed():
    was_sent = list[bool]()

    async def talk(socket: AiohttpSocket) -> None:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        was_sent.append(socket.send_now(b"too late"))

    async with talking(talk) as carrier:
        await carrier.close()
        with pytest.raises(ConnectionClosed):
            await carrier.recv()
    assert was_sent == [False]
