"""A carrier's WebSocket: aiohttp answers the request, and what talks on it then has the connection to itself."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from voicepipe.phone import sockets
from voicepipe.phone.sockets import upgraded
from voicepipe.quick_socket import QuickConnection
from voicepipe.transports.doorway import Doorway
from voicepipe.transports.telephony.sockets import PromptSocket

KEY = base64.b64encode(b"sixteen bytes...").decode()
HEAD = (
    "GET /media HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)
LONGEST = 400_000
Talk = Callable[[QuickConnection], Awaitable[None]]


class Door:
    """A server with a WebSocket at /media and a page at /."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.doorway = Doorway(first_secs=5, connections=3)
        app = web.Application(middlewares=[self.doorway.middleware])
        app.router.add_get("/media", self.media)
        app.router.add_get("/", self.page)
        self.runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.2, lingering_time=0.0)

    async def media(self, request: web.Request) -> web.StreamResponse:
        return await upgraded(request, self.talk, message_bytes=LONGEST)

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text="a page")

    @property
    def port(self) -> int:
        return self.doorway.port

    @property
    def connections(self) -> int:
        """How many aiohttp counts."""
        server = self.runner.server
        return len(server.connections) if server is not None else 0

    async def until_empty(self) -> None:
        """Wait until aiohttp counts no connection any more."""
        async with asyncio.timeout(5):
            # aiohttp tells nobody.
            while self.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def close(self) -> None:
        self.doorway.close()
        await self.runner.cleanup()


@asynccontextmanager
async def serving(talk: Talk) -> AsyncGenerator[Door]:
    door = Door(talk)
    await door.runner.setup()
    await door.doorway.open(door.runner, "127.0.0.1", 0)
    try:
        yield door
    finally:
        await door.close()


def calling(door: Door, **options: object):
    return connect(
        f"ws://127.0.0.1:{door.port}/media", compression=None, max_size=None, proxy=None, **options
    )


@asynccontextmanager
async def dialled(door: Door) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that says what it is told to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        # Who was broken off says so again.
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def talking(talk: Talk) -> AsyncGenerator[ClientConnection]:
    """A carrier's end of a socket on whose other end `talk` runs."""
    async with serving(talk) as door:
        async with calling(door) as socket:
            yield socket
        await door.until_empty()


async def echo(socket: QuickConnection) -> None:
    try:
        while True:
            await socket.send(await socket.recv())
    except ConnectionClosed:
        return


# What is said.


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_a_message_comes_whole_whatever_its_length_and_one_sent_at_once_goes_whole(size: int):
    async def talk(socket: QuickConnection) -> None:
        assert isinstance(socket, PromptSocket)
        assert await socket.recv() == "y" * size
        assert socket.send_now(b"x" * size, "märk".encode())
        await socket.recv()

    async with talking(talk) as carrier:
        await carrier.send("y" * size)
        assert await carrier.recv() == "x" * size
        assert await carrier.recv() == "märk"
        await carrier.send("enough")


async def test_messages_keep_their_order_however_they_are_sent():
    async def talk(socket: QuickConnection) -> None:
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

    async def talk(socket: QuickConnection) -> None:
        # More than the buffers of a system's sockets hold.
        for _ in range(200):
            if not socket.send_now(b"x" * 100_000):
                refused.set()
                break
        await socket.recv()
        # There is room again.
        await socket.send("room")
        assert socket.send_now(b"room")

    async with talking(talk) as carrier:
        carrier.transport.pause_reading()
        await refused.wait()
        carrier.transport.resume_reading()
        await carrier.send("enough")
        async for message in carrier:
            if message == "room":
                break
        assert await carrier.recv() == "room"


async def test_pings_are_answered():
    async with talking(echo) as carrier:
        await (await carrier.ping())
        await carrier.send("on")
        assert await carrier.recv() == "on"


# What comes with the request.


def frames(*texts: str) -> bytes:
    """Masked frames of a client's."""
    return b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True, extensions=[]) for text in texts)


async def answers(reader: asyncio.StreamReader, count: int) -> list[str]:
    """The texts of so many short frames of a server's."""
    texts = list[str]()
    for _ in range(count):
        first, size = await reader.readexactly(2)
        assert first == 0x81
        assert size < 126
        texts.append((await reader.readexactly(size)).decode())
    return texts


@pytest.mark.parametrize("count", [1, 3, 100])
async def test_messages_in_the_segment_of_the_request_are_not_lost(count: int):
    said = [f"message {number}" for number in range(count)]
    async with serving(echo) as door:
        async with dialled(door) as (reader, writer):
            writer.write(f"{HEAD}\r\n".encode() + frames(*said))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert await answers(reader, count) == said
        await door.until_empty()


async def test_a_request_and_messages_that_come_byte_by_byte_are_not_lost():
    async with serving(echo) as door, dialled(door) as (reader, writer):
        for byte in f"{HEAD}\r\n".encode() + frames("one", "two"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.readuntil(b"\r\n\r\n")
        assert await answers(reader, 2) == ["one", "two"]


async def test_a_flood_before_the_answer_is_read_to_its_end():
    """More than aiohttp keeps of what comes behind a request."""
    said = ["x" * 120 for _ in range(10_000)]
    heard = list[str]()
    entered, goes_on = asyncio.Event(), asyncio.Event()

    async def talk(socket: QuickConnection) -> None:
        heard.extend([await socket.recv() for _ in said])

    class SlowDoor(Door):
        async def media(self, request: web.Request) -> web.StreamResponse:
            entered.set()
            await goes_on.wait()
            return await super().media(request)

    door = SlowDoor(talk)
    await door.runner.setup()
    await door.doorway.open(door.runner, "127.0.0.1", 0)
    try:
        async with dialled(door) as (reader, writer):
            writer.write(f"{HEAD}\r\n".encode() + frames(*said))
            await entered.wait()
            # aiohttp reads until it has enough.
            for _ in range(200):
                await asyncio.sleep(0)
            goes_on.set()
            await reader.readuntil(b"\r\n\r\n")
            assert (await reader.readexactly(2))[0] == 0x88
            assert heard == said
    finally:
        await door.close()


# Who is not let in.


@pytest.mark.parametrize(
    "change",
    [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Connection: keep-alive"),
        (f"Sec-WebSocket-Key: {KEY}\r\n", ""),
        (KEY, "short"),
        (KEY, "!" * 24),
        ("Version: 13", "Version: 12"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
    ],
)
async def test_a_request_that_is_none_for_a_websocket_is_refused(change: tuple[str, str]):
    async def talk(_socket: QuickConnection) -> None:
        pytest.fail("it was let in")

    async with serving(talk) as door:
        async with dialled(door) as (reader, writer):
            assert change[0] in HEAD
            writer.write(f"{HEAD.replace(*change)}\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        await door.until_empty()


async def test_a_websocket_may_follow_a_page_on_one_connection():
    async with serving(echo) as door, dialled(door) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + f"{HEAD}\r\n".encode() + frames("on"))
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(6) == b"a page"
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        assert await answers(reader, 1) == ["on"]


async def test_no_extension_and_no_subprotocol_is_agreed_upon():
    async with serving(echo) as door:
        url = f"ws://127.0.0.1:{door.port}/media"
        async with connect(url, subprotocols=[Subprotocol("x")], proxy=None) as socket:
            assert socket.protocol.extensions == []
            assert socket.subprotocol is None
            await socket.send("on")
            assert await socket.recv() == "on"


# How it ends.


async def test_the_carrier_closes_and_nothing_is_sent_any_more():
    was_sent = list[bool]()

    async def talk(socket: QuickConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        was_sent.append(socket.send_now(b"too late"))

    async with serving(talk) as door:
        async with calling(door) as carrier:
            assert door.connections == 1
            await carrier.close(1000)
            assert carrier.close_code == 1000
        await door.until_empty()
    assert was_sent == [False]


async def test_who_returns_closes():
    async def talk(socket: QuickConnection) -> None:
        await socket.recv()

    async with talking(talk) as carrier:
        await carrier.send("enough")
        await carrier.wait_closed()
        assert carrier.close_code == 1000


async def test_a_close_code_is_sent():
    async def talk(socket: QuickConnection) -> None:
        await socket.close(sockets.POLICY)

    async with talking(talk) as carrier:
        await carrier.wait_closed()
        assert carrier.close_code == 1008


async def test_a_message_that_is_too_long_closes():
    async with talking(echo) as carrier:
        await carrier.send("x" * LONGEST)
        assert await carrier.recv() == "x" * LONGEST
        await carrier.send("x" * (LONGEST + 1))
        await carrier.wait_closed()
        assert carrier.close_code == 1009


async def test_a_carrier_that_breaks_off_is_gone():
    ended = asyncio.Event()

    async def talk(socket: QuickConnection) -> None:
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        ended.set()

    async with serving(talk) as door:
        carrier = await calling(door)
        carrier.transport.abort()
        await ended.wait()
        await door.until_empty()


async def test_a_carrier_that_does_not_close_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sockets, "_CLOSE_SECS", 0.05)

    async def talk(socket: QuickConnection) -> None:
        await socket.recv()

    async with serving(talk) as door, dialled(door) as (reader, writer):
        writer.write(f"{HEAD}\r\n".encode() + frames("enough"))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readexactly(4))[0] == 0x88
        await door.until_empty()


async def test_what_fails_ends_its_connection_alone():
    async def talk(socket: QuickConnection) -> None:
        if await socket.recv() == "fail":
            raise LookupError("nothing there")
        await echo(socket)

    async with serving(talk) as door, calling(door) as other:
        await other.send("live")
        async with calling(door) as carrier:
            await carrier.send("fail")
            with pytest.raises(ConnectionClosedError):
                await carrier.recv()
        await other.send("on")
        assert await other.recv() == "on"
        assert door.connections == 1


async def test_a_server_that_ends_ends_its_calls():
    """Its shutdown waits so long for the request, cancels it, and closes the connection."""
    was_cancelled = asyncio.Event()

    async def talk(socket: QuickConnection) -> None:
        try:
            await socket.recv()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    async with serving(talk) as door:
        carrier = await calling(door)
        server = door.runner.server
        assert server is not None
        await door.close()
        assert was_cancelled.is_set()
        assert not server.connections
        with pytest.raises(ConnectionClosedError):
            await carrier.recv()


async def test_connections_that_were_handed_over_count():
    async with serving(echo) as door:
        async with calling(door), calling(door), calling(door):
            async with dialled(door) as (reader, _):
                with pytest.raises((ConnectionError, EOFError)):
                    await reader.readexactly(1)
            assert door.doorway.turned_away == 1
        await door.until_empty()
        async with calling(door) as socket:
            await socket.send("on")
            assert await socket.recv() == "on"


@pytest.mark.virtual_time
async def test_a_carrier_that_answers_no_pings_is_taken_for_gone():
    began_secs = asyncio.get_running_loop().time()
    ended = asyncio.Event()

    async def talk(socket: QuickConnection) -> None:
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        ended.set()

    async with serving(talk) as door:
        async with dialled(door) as (reader, writer):
            writer.write(f"{HEAD}\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            assert (await reader.readexactly(2))[0] == 0x89
            await ended.wait()
            assert 39 < asyncio.get_running_loop().time() - began_secs < 45
        await door.until_empty()


@pytest.mark.parametrize(
    "holds",
    [
        lambda: test_messages_in_the_segment_of_the_request_are_not_lost(100),
        test_a_flood_before_the_answer_is_read_to_its_end,
        test_the_carrier_closes_and_nothing_is_sent_any_more,
        test_nothing_is_sent_at_once_to_a_carrier_that_does_not_read,
        test_a_carrier_that_breaks_off_is_gone,
        test_a_server_that_ends_ends_its_calls,
        test_connections_that_were_handed_over_count,
    ],
)
def test_it_holds_on_uvloop_as_well(holds: Callable[[], Coroutine[None, None, None]]):
    pytest.importorskip("uvloop").run(holds())
