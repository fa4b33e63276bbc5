"""The proxy that fails when told to: each trouble as either side sees it, and nothing when it is told nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from voicepipe.local.proxy import (
    Change,
    CloseWith,
    Deaf,
    Drop,
    FaultProxy,
    HalfMessage,
    HangUp,
    HttpStatus,
    Late,
    NotHttp,
    Raw,
    Say,
    Stall,
)


class Echo:
    """A server that says back what it hears, and keeps how its connections ended."""

    def __init__(self) -> None:
        self.path = ""
        self.headers: dict[str, str] = {}
        self.ended: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.path, self.headers = connection.request.path, dict(connection.request.headers.raw_items())
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass
        self.ended.put_nowait((connection.close_code, connection.close_reason))


def _first(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[0] if offered else None


@asynccontextmanager
async def proxied(harms="client") -> AsyncIterator[tuple[FaultProxy, Echo]]:
    echo = Echo()
    async with serve(echo.serve, "127.0.0.1", 0, select_subprotocol=_first, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy(f"ws://127.0.0.1:{port}/v1/echo", harms=harms) as proxy:
            yield proxy, echo


@asynccontextmanager
async def connected(proxy: FaultProxy, path: str = "") -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": "Bearer any"}
    async with connect(
        proxy.url + path,
        additional_headers=headers,
        subprotocols=[Subprotocol("realtime")],
        ping_interval=None,
        close_timeout=1,
        proxy=None,
    ) as client:
        await client.send("ready")
        assert await client.recv() == "ready"
        yield client


async def ended(client: ClientConnection) -> tuple[int | None, str | None]:
    with pytest.raises(ConnectionClosed):
        await client.recv()
    return client.close_code, client.close_reason


async def test_told_nothing_it_hands_on_what_either_side_says():
    async with proxied() as (proxy, echo):
        async with connected(proxy, "?model=m") as client:
            for message in ("text", b"\0binary", "x" * 500_000):
                await client.send(message)
                assert await client.recv() == message
            assert (echo.path, echo.headers["Authorization"]) == ("/v1/echo?model=m", "Bearer any")
            assert client.subprotocol == "realtime"
            await client.close(4001, "enough")
        assert await echo.ended.get() == (4001, "enough")
        assert (proxy.asked, proxy.connected) == (1, 1)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Drop(), 1006),
        (CloseWith(1012, "restart"), 1012),
        (CloseWith(None), 1005),
        (HalfMessage(), 1006),
        (Raw(b"\xff\xff\xff\xff"), 1006),
    ],
)
async def test_what_ends_the_clients_connection(trouble, code):
    async with proxied() as (proxy, _), connected(proxy) as client:
        await proxy.strike(trouble)
        assert (await ended(client))[0] == code


@pytest.mark.parametrize(
    ("trouble", "code"), [(Drop(), 1006), (CloseWith(1001, "away"), 1001), (HalfMessage(), 1006)]
)
async def test_or_the_servers(trouble, code):
    async with proxied("server") as (proxy, echo), connected(proxy):
        await proxy.strike(trouble)
        assert (await echo.ended.get())[0] == code


async def test_a_message_may_come_that_nobody_sent():
    async with proxied() as (proxy, _), connected(proxy) as client:
        await proxy.strike(Say("from nowhere"))
        await proxy.strike(Say(b"\1\2"))
        assert [await client.recv(), await client.recv()] == ["from nowhere", b"\1\2"]


async def test_messages_are_changed_as_many_as_are_wanted():
    async with proxied() as (proxy, _), connected(proxy) as client:
        await proxy.strike(Change(lambda message: [message, "again"], 2))
        for message in ("1", "2", "3"):
            await client.send(message)
        assert [await client.recv() for _ in range(5)] == ["1", "again", "2", "again", "3"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("trouble", [Stall(5), Deaf(5)])
async def test_for_a_while_nothing_comes_and_then_all_of_it(trouble):
    clock = asyncio.get_running_loop().time
    async with proxied() as (proxy, _), connected(proxy) as client:
        await proxy.strike(trouble)
        began = clock()
        await client.send("late")
        assert await client.recv() == "late"
        assert clock() - began == pytest.approx(5, abs=0.1)


@pytest.mark.virtual_time
async def test_for_ever_not_even_a_ping_is_answered():
    async with proxied() as (proxy, _), connected(proxy) as client:
        await proxy.strike(Stall())
        pong = await client.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 100)


async def test_the_first_connection_may_be_struck_before_anything_is_said():
    async with proxied() as (proxy, _):
        proxy.strike_first(Say("one"), Say("two"), CloseWith(1013))
        async with connect(proxy.url, proxy=None) as client:
            assert [await client.recv(), await client.recv()] == ["one", "two"]
            assert (await ended(client))[0] == 1013
        async with connected(proxy):
            pass


class TestHandshakes:
    async def test_a_status_with_its_headers(self):
        async with proxied() as (proxy, _):
            proxy.handshakes.append(HttpStatus(429, {"Retry-After": "7"}))
            with pytest.raises(InvalidStatus) as refused:
                await connect(proxy.url, proxy=None)
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["Retry-After"] == "7"
            async with connected(proxy):
                pass

    @pytest.mark.parametrize("handshake", [HangUp(), NotHttp()])
    async def test_no_answer_that_could_be_read(self, handshake):
        async with proxied() as (proxy, _):
            proxy.handshakes.append(handshake)
            with pytest.raises((InvalidMessage, OSError)):
                await connect(proxy.url, proxy=None)

    @pytest.mark.virtual_time
    async def test_a_late_answer_and_none(self):
        async with proxied() as (proxy, _):
            proxy.handshakes.extend([Late(3), Late()])
            async with connect(proxy.url, proxy=None):
                assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)
            with pytest.raises(TimeoutError):
                await connect(proxy.url, proxy=None, open_timeout=5)

    async def test_a_door_that_is_shut_and_opened_again(self):
        async with proxied() as (proxy, _), connected(proxy) as client:
            proxy.shut_door()
            with pytest.raises(OSError, match="onnect"):
                await connect(proxy.url, proxy=None)
            await client.send("still there")
            assert await client.recv() == "still there"
            await proxy.open_door()
            async with connected(proxy):
                pass

    async def test_the_servers_own_refusal_is_handed_on(self):
        async with FaultProxy("ws://127.0.0.1:1/nothing") as proxy:
            with pytest.raises(InvalidStatus) as refused:
                await connect(proxy.url, proxy=None)
            assert refused.value.response.status_code == 502
