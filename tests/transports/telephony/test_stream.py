"""The socket's side: what waits, what goes first, and a carrier that takes nothing or writes nonsense."""

from __future__ import annotations

import asyncio
import json
import sys
import types

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

from tests.transports.telephony.wire_lines import TELNYX, TWILIO
from voicepipe.errors import CarrierStreamError
from voicepipe.transports.telephony.events import CarrierEvent, KeyPressed
from voicepipe.transports.telephony.send_queue import SendQueue
from voicepipe.transports.telephony.sockets import StarletteSocket
from voicepipe.transports.telephony.stream import MediaStream, StreamLimits


class ScriptedSocket:
    """Gives the lines of a script and then ends; keeps what is sent, or takes nothing."""

    def __init__(self, *lines: str, takes: int | None = None) -> None:
        self.sent: list[str] = []
        self.closed = 0
        self._lines = list(lines)
        self._takes = takes

    async def recv(self) -> str:
        if not self._lines:
            raise ConnectionClosedOK(None, None)
        return self._lines.pop(0)

    async def send(self, message: str) -> None:
        if self._takes is not None and len(self.sent) >= self._takes:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def close(self) -> None:
        self.closed += 1


async def said(stream: MediaStream) -> list[CarrierEvent]:
    """Return what the carrier says until it has nothing more to say."""
    events: list[CarrierEvent] = []
    await stream.carry(events.append)
    return events


async def test_the_clear_goes_ahead_of_all_that_waits():
    queue = SendQueue(1000)
    for message in ("sound 1", "mark 1", "sound 2"):
        queue.put(message)
    assert await queue.next() == "sound 1"
    queue.clear()
    queue.put("clear")
    queue.put("sound 3")
    assert [await queue.next(), await queue.next()] == ["clear", "sound 3"]


async def test_sound_beyond_the_bound_is_dropped_and_counted():
    queue = SendQueue(10)
    queue.put("12345")
    assert not queue.has_room_for("123456")
    assert queue.has_room_for("12345")
    assert queue.dropped == 1
    queue.put("12345")
    assert not queue.has_room_for("1")
    await queue.next()
    assert queue.has_room_for("12345")


async def test_a_closed_queue_keeps_nothing_and_nobody_waiting():
    queue = SendQueue(10)
    queue.put("a")
    queue.close()
    queue.put("b")
    await queue.until_gone()
    assert queue.waiting_chars == 0


@pytest.mark.virtual_time
async def test_a_socket_that_takes_nothing_ends_the_writing():
    stream = MediaStream(
        ScriptedSocket(TWILIO["connected"], TWILIO["start"], takes=1), limits=StreamLimits(send_secs=2)
    )
    await stream.start()
    stream.send("one")
    stream.send("two")
    await stream.write()
    assert asyncio.get_running_loop().time() == pytest.approx(2)
    await stream.until_sent()


async def test_a_message_that_cannot_be_read_is_passed_over():
    socket = ScriptedSocket(TWILIO["start"], "nonsense", '{"event":"media"}', TWILIO["dtmf"])
    stream = MediaStream(socket)
    assert (await stream.start()).call_id == "CA1"
    assert await said(stream) == [KeyPressed("1")]
    assert stream.unreadable == 2


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([TWILIO["connected"]], "closed the stream before its start"),
        (["nonsense"], "first messages: message: is not JSON"),
        (['{"event":"start","start":{}}'], "none of the carriers"),
        ([TELNYX["start"].replace("PCMA", "OPUS")], "encoding: 'OPUS' is none of PCMU, PCMA, L16"),
    ],
)
async def test_a_stream_that_cannot_begin_says_why(lines, said):
    with pytest.raises(CarrierStreamError, match=said):
        await MediaStream(ScriptedSocket(*lines)).start()


async def test_a_stream_is_closed_once():
    socket = ScriptedSocket(TWILIO["start"])
    stream = MediaStream(socket)
    await stream.start()
    await stream.close()
    await stream.close()
    assert socket.closed == 1
    assert not stream.is_open


class WebSocketDisconnect(Exception):
    pass


class AsgiSocket:
    """What a Starlette WebSocket does, of the part that is used."""

    def __init__(self, *messages: dict) -> None:
        self.sent: list[str] = []
        self.is_gone = False
        self._messages = list(messages)

    async def receive(self) -> dict:
        return self._messages.pop(0)

    async def send_text(self, data: str) -> None:
        if self.is_gone:
            raise WebSocketDisconnect
        self.sent.append(data)

    async def close(self) -> None:
        if self.is_gone:
            raise RuntimeError('Cannot call "send" once a close message has been sent.')


@pytest.fixture
def starlette(monkeypatch):
    module = types.ModuleType("starlette.websockets")
    module.WebSocketDisconnect = WebSocketDisconnect
    monkeypatch.setitem(sys.modules, "starlette.websockets", module)


async def test_a_starlette_socket_carries_text_and_bytes_both_ways(starlette):
    asgi = AsgiSocket(
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"two", "text": None},
        {"type": "websocket.disconnect", "code": 1000},
    )
    socket = StarletteSocket(asgi)
    assert [await socket.recv(), await socket.recv()] == ["one", b"two"]
    await socket.send("three")
    assert asgi.sent == ["three"]
    for _ in range(2):
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()


async def test_a_starlette_socket_whose_other_side_has_left_is_closed(starlette):
    asgi = AsgiSocket({"type": "websocket.disconnect", "code": 1006})
    asgi.is_gone = True
    with pytest.raises(ConnectionClosedError):
        await StarletteSocket(asgi).recv()
    socket = StarletteSocket(asgi)
    with pytest.raises(ConnectionClosed):
        await socket.send("one")
    await socket.close()
    await StarletteSocket(asgi).close()


async def test_a_stream_on_starlette_reads_like_any_other(starlette):
    asgi = AsgiSocket(
        {"type": "websocket.receive", "text": TWILIO["start"]},
        {"type": "websocket.receive", "text": TWILIO["dtmf"]},
        {"type": "websocket.disconnect", "code": 1006},
    )
    stream = MediaStream(StarletteSocket(asgi))
    await stream.start()
    assert await said(stream) == [KeyPressed("1")]
    assert json.loads(stream.wire.clear())["streamSid"] == "MZ1"


@pytest.mark.virtual_time
async def test_a_stream_on_which_nothing_comes_any_more_is_over():
    class FallsSilent(ScriptedSocket):
        async def recv(self) -> str:
            return await super().recv() if self._lines else await asyncio.Event().wait()

    socket = FallsSilent(TWILIO["connected"], TWILIO["start"], TWILIO["media"])
    stream = MediaStream(socket, limits=StreamLimits(silent_secs=7))
    await stream.start()
    began = asyncio.get_running_loop().time()
    assert len(await said(stream)) == 1
    assert asyncio.get_running_loop().time() - began == pytest.approx(7)
    assert stream.was_silent


async def test_a_second_start_that_cannot_be_used_is_passed_over():
    other = TWILIO["start"].replace("audio/x-mulaw", "audio/x-opus")
    stream = MediaStream(
        ScriptedSocket(TWILIO["connected"], TWILIO["start"], other, TWILIO["media"], TWILIO["stop"])
    )
    await stream.start()
    assert [type(event).__name__ for event in await said(stream)] == ["SoundArrived", "StreamStopped"]
    assert stream.unreadable == 1
