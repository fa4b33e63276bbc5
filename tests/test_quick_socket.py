"""Messages come and go as through the package's own connection, however they are cut and whatever stands between them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConcurrencyError, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from voicepipe.quick_socket import QuickClientConnection, QuickConnection, QuickServerConnection

LENGTHS = (0, 1, 125, 126, 65535, 65536, 300_000)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading = True
        self.is_gone = False

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def is_closing(self) -> bool:
        return self.is_gone

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.is_gone = True

    def abort(self) -> None:
        self.is_gone = True


def opened(max_size: int | None = 2**20) -> tuple[QuickConnection, Transport]:
    connection, transport = QuickConnection(Protocol(SERVER, max_size=max_size)), Transport()
    connection.connection_made(transport)
    return connection, transport


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


WIRE = b"".join(
    [
        frame(Opcode.TEXT, b"one"),
        frame(Opcode.PING, b"are you there"),
        frame(Opcode.TEXT, b"t" * 200),
        frame(Opcode.TEXT, b"half ", fin=False),
        frame(Opcode.PING, b"still"),
        frame(Opcode.CONT, b"and half"),
        frame(Opcode.BINARY, b"\0\xff"),
        frame(Opcode.TEXT, "größer".encode()),
    ]
)
MESSAGES = ["one", "t" * 200, "half and half", b"\0\xff", "größer"]


async def received(cuts: list[int]) -> tuple[list[Any], bytes]:
    connection, transport = opened()
    edges = [0, *sorted(cuts), len(WIRE)]
    for begin, end in pairwise(edges):
        if begin < end:
            connection.data_received(WIRE[begin:end])
    return [await connection.recv() for _ in MESSAGES], transport.written


@given(st.lists(st.integers(0, len(WIRE)), max_size=12))
def test_the_same_messages_come_however_the_bytes_are_cut(cuts: list[int]):
    messages, pongs = asyncio.run(received(cuts))
    assert messages == MESSAGES
    assert pongs == b"\x8a\x0dare you there\x8a\x05still"


async def test_byte_by_byte_is_a_way_to_be_cut():
    assert (await received(list(range(len(WIRE)))))[0] == MESSAGES


@pytest.mark.parametrize("server", [ServerConnection, QuickServerConnection])
@pytest.mark.parametrize("client", [ClientConnection, QuickClientConnection])
async def test_each_understands_the_package_and_each_other(server: Any, client: Any):
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            if not isinstance(socket, QuickServerConnection) or not socket.send_now(message.encode()):
                await socket.send(message)

    async with serve(echo, "127.0.0.1", 0, create_connection=server, compression=None) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        async with connect(url, create_connection=client, compression=None, max_size=None) as socket:
            for length in LENGTHS:
                message = b"x" * length
                if not isinstance(socket, QuickClientConnection) or not socket.send_now(message):
                    await socket.send(message, text=True)
                assert await socket.recv(decode=False) == message
            await socket.close(1000, "done")
            with pytest.raises(ConnectionClosedOK):
                await socket.recv()
            assert socket.close_code == 1000


async def test_compressed_messages_are_the_packages():
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0, create_connection=QuickServerConnection) as listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with connect(url, create_connection=QuickClientConnection) as socket:
            assert socket.protocol.extensions
            await socket.send("a" * 5000)
            assert await socket.recv() == "a" * 5000


async def test_several_messages_go_in_one_write():
    connection, transport = opened()
    assert connection.send_now(b"one", b"two")
    assert transport.written == b"\x81\x03one\x81\x03two"


async def test_nothing_is_sent_at_once_where_sending_would_wait_or_fail():
    connection, transport = opened()
    connection.pause_writing()
    assert not connection.send_now(b"x")
    connection.resume_writing()
    transport.is_gone = True
    assert not connection.send_now(b"x")
    transport.is_gone = False
    connection.data_received(frame(Opcode.CLOSE, Close(1000, "").serialize()))
    written = transport.written
    assert not connection.send_now(b"x")
    assert transport.written == written


async def test_who_does_not_read_holds_the_peer_up():
    connection, transport = opened()
    connection.data_received(frame(Opcode.TEXT, b"x") * 17)
    assert not transport.is_reading
    for _ in range(14):
        await connection.recv()
    assert transport.is_reading


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x81\x03abc", 1002),  # not masked
        (frame(Opcode.TEXT, b"x" * 101), 1009),
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),
        (b"\x83\x80\0\0\0\0", 1002),  # no such opcode
        (frame(Opcode.CONT, b"of nothing"), 1002),
    ],
    # Their masks are random, and so would be their names.
    ids=["not masked", "too long", "much too long", "no such opcode", "a piece of nothing"],
)
async def test_what_breaks_the_rules_ends_the_connection_as_in_the_package(bad: bytes, code: int):
    connection, transport = opened(max_size=100)
    connection.data_received(frame(Opcode.TEXT, b"fine") + bad)
    assert await connection.recv() == "fine"
    assert connection.protocol.state is State.CLOSING
    assert transport.written[0] == 0x88
    assert int.from_bytes(transport.written[2:4], "big") == code


async def test_who_waits_is_told_of_the_end():
    connection, _ = opened()
    waiting = asyncio.create_task(connection.recv())
    await asyncio.sleep(0)
    with pytest.raises(ConcurrencyError):
        await connection.recv()
    connection.connection_lost(None)
    with pytest.raises(ConnectionClosedError):
        await waiting


async def test_what_came_before_the_end_can_still_be_read():
    connection, _ = opened()
    connection.data_received(frame(Opcode.TEXT, b"last"))
    connection.connection_lost(None)
    assert await connection.recv() == "last"
    with pytest.raises(ConnectionClosedError):
        await connection.recv()


async def test_text_that_is_no_text_ends_the_connection():
    connection, transport = opened()
    connection.data_received(frame(Opcode.TEXT, b"\xff"))
    waiting = asyncio.create_task(connection.recv())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert int.from_bytes(transport.written[2:4], "big") == 1007
    connection.connection_lost(None)
    with pytest.raises(ConnectionClosedError):
        await waiting


# Given to a reader.


async def give(connection: QuickConnection, *messages: bytes) -> None:
    """Let a connection get messages one by one, and its task go on after each."""
    for message in messages:
        connection.data_received(frame(Opcode.TEXT, message))
        await asyncio.sleep(0)


async def ended(delivering: asyncio.Task[Any]) -> None:
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)


async def test_a_reader_is_given_what_waited_and_then_what_comes_as_it_comes():
    connection, _ = opened()
    connection.data_received(WIRE)
    given_to: list[bytes] = []
    delivering = asyncio.create_task(connection.deliver(given_to.append))
    await asyncio.sleep(0)
    assert given_to == [message if isinstance(message, bytes) else message.encode() for message in MESSAGES]
    given_to.clear()
    connection.data_received(frame(Opcode.TEXT, b"now") + frame(Opcode.TEXT, b"and now"))
    assert given_to == [b"now", b"and now"]
    await ended(delivering)


async def test_what_a_reader_leaves_is_awaited_before_the_next_message():
    connection, _ = opened()
    told, goes_on = list[bytes](), asyncio.Event()

    async def finish(message: bytes) -> None:
        await goes_on.wait()
        told.append(message + b" is done")

    def read(message: bytes) -> Any:
        told.append(message)
        return partial(finish, message) if message == b"slow" else None

    delivering = asyncio.create_task(connection.deliver(read))
    await asyncio.sleep(0)
    await give(connection, b"quick", b"slow", b"next", b"last")
    assert told == [b"quick", b"slow"]
    goes_on.set()
    await asyncio.sleep(0)
    await give(connection, b"after")
    assert told == [b"quick", b"slow", b"slow is done", b"next", b"last", b"after"]
    await ended(delivering)


async def test_what_a_reader_raises_is_raised_where_messages_are_delivered():
    connection, transport = opened()

    def read(message: bytes) -> None:
        raise ValueError(message.decode())

    delivering = asyncio.create_task(connection.deliver(read))
    await asyncio.sleep(0)
    connection.data_received(frame(Opcode.TEXT, b"no"))
    with pytest.raises(ValueError, match="no"):
        await delivering
    assert not transport.is_gone
    connection.data_received(frame(Opcode.TEXT, b"for who comes next"))
    assert await connection.recv() == "for who comes next"


async def test_who_stops_delivering_need_not_finish():
    connection, _ = opened()

    async def finish() -> None:
        raise AssertionError("it was cancelled before")

    delivering = asyncio.create_task(connection.deliver(lambda _message: finish))
    await asyncio.sleep(0)
    connection.data_received(frame(Opcode.TEXT, b"late"))
    await ended(delivering)
    assert delivering.cancelled()


async def test_only_one_is_given_the_messages():
    connection, _ = opened()
    delivering = asyncio.create_task(connection.deliver(lambda _message: None))
    await asyncio.sleep(0)
    with pytest.raises(ConcurrencyError):
        await connection.recv()
    with pytest.raises(ConcurrencyError):
        await connection.deliver(lambda _message: None)
    await ended(delivering)


async def test_a_reader_is_called_in_the_context_of_who_asked():
    connection, _ = opened()
    whose = ContextVar("whose", default="nobody's")
    seen: list[str] = []

    async def deliver() -> None:
        whose.set("the call's")
        await connection.deliver(lambda _message: seen.append(whose.get()))

    delivering = asyncio.create_task(deliver())
    await asyncio.sleep(0)
    connection.data_received(frame(Opcode.TEXT, b"?"))
    assert (seen, whose.get()) == (["the call's"], "nobody's")
    await ended(delivering)


async def test_delivering_ends_with_the_connection_after_the_last_message():
    connection, _ = opened()
    told: list[bytes] = []
    delivering = asyncio.create_task(connection.deliver(told.append))
    await asyncio.sleep(0)
    connection.data_received(frame(Opcode.TEXT, b"last") + frame(Opcode.CLOSE, Close(1000, "").serialize()))
    connection.connection_lost(None)
    with pytest.raises(ConnectionClosedOK):
        await delivering
    assert told == [b"last"]


async def test_masks_are_not_used_twice():
    connection = QuickConnection(Protocol(CLIENT, state=State.OPEN))
    transport = Transport()
    connection.connection_made(transport)
    masks: set[bytes] = set()
    for _ in range(1000):
        transport.written = b""
        assert connection.send_now(b"x")
        masks.add(transport.written[2:6])
    assert len(masks) > 990
