"""The callers' side: Twilio calls in real time, made of prepared frames, with a player that answers marks.

Once a bot is heard, each caller says marks: first the three digits (base 16) of its number, then 0, 1, 2 ... over and over.
Commands come as lines on standard input (`warm`, `call`, `hang up`), and what comes of them is printed as lines of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from base64 import b64decode, b64encode
from collections import deque
from itertools import count
from typing import Any

import orjson

from tests.benchmarks.peers.api import now_ms
from tests.benchmarks.peers.light_socket import Socket
from tests.benchmarks.peers.marks import NUMBERS, Finder, mark
from tests.benchmarks.peers.ringing import Line, ring
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode

FRAME_MS = 20
_MARK_EVERY = 10
_SILENCE = b64encode(b"\xff" * 160)
_WARM_SECS = 2.0
_UP_SECS = 30.0


def _mark_frames(number: int) -> tuple[bytes, bytes, float]:
    sound, first_ms = mark(number, 8000, 2 * FRAME_MS)
    coded = ulaw_encode(sound.tobytes())
    return b64encode(coded[:160]), b64encode(coded[160:]), FRAME_MS - first_ms


_MARKS = [_mark_frames(number) for number in range(NUMBERS)]


class Caller:
    """One call."""

    def __init__(self, number: int) -> None:
        self.said: list[tuple[int, float, float]] = []
        """Marks: number, when the frame was sent, how much sound follows in the frame."""
        self.heard: list[tuple[int, float]] = []
        """Marks of the bot's: number, when it was heard."""
        self.clears: list[float] = []
        self.late_ms: list[float] = []
        self.began_ms = now_ms()
        self.first_sound_ms: float | None = None
        self.is_up = asyncio.Event()
        self._id = f"MZ{number:032x}".encode()
        self._call_id = b"CA" + self._id[2:]
        self._parameters = b"{}"
        self._digits = [number >> 8 & 15, number >> 4 & 15, number & 15]
        self._frames = count(1)
        self._marks = count(0)
        self._until_mark = 0
        self._pending: bytes | None = None
        self._finder = Finder(8000)
        self._plays_until_ms = 0.0
        self._waiting: deque[tuple[float, str]] = deque()
        self._is_over = False

    # The call.

    async def connect(self, host: str, port: int, path: str, webhook: str) -> None:
        loop = asyncio.get_running_loop()
        self.began_ms = now_ms()
        line = await ring(host, port, webhook, self._call_id.decode()) if webhook else Line(path)
        self._parameters = orjson.dumps(line.parameters)
        _, self._socket = await loop.create_connection(
            lambda: Socket(
                on_open=self._open, on_message=self._message, on_close=self._closed, path=line.path
            ),
            host,
            port,
        )

    def hang_up(self) -> None:
        self._is_over = True
        self._socket.send(b'{"event":"stop","sequenceNumber":"9","streamSid":"%s","stop":{}}' % self._id)
        self._socket.close()

    def _closed(self, _socket: Socket) -> None:
        self._is_over = True

    def _open(self, socket: Socket) -> None:
        socket.send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        socket.send(
            b'{"event":"start","sequenceNumber":"1","streamSid":"%s","start":{"streamSid":"%s","accountSid":"AC%032x",'
            b'"callSid":"%s","tracks":["inbound"],"customParameters":%s,"mediaFormat":{"encoding":"audio/x-mulaw",'
            b'"sampleRate":8000,"channels":1}}}' % (self._id, self._id, 1, self._call_id, self._parameters)
        )
        self._next_ms = now_ms() + FRAME_MS
        self._schedule()

    # What the caller says.

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + max(0.0, self._next_ms - now_ms()) / 1000, self._frame)

    def _frame(self) -> None:
        if self._is_over:
            return
        now = now_ms()
        self.late_ms.append(now - self._next_ms)
        number = next(self._frames)
        self._socket.send(
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
            b'"payload":"%s"},"streamSid":"%s"}'
            % (number + 1, number, (number - 1) * FRAME_MS, self._payload(now), self._id)
        )
        self._answer_marks(now)
        self._next_ms += FRAME_MS
        self._schedule()

    def _payload(self, now: float) -> bytes:
        if self._pending is not None:
            payload, self._pending = self._pending, None
            return payload
        if self.first_sound_ms is None:
            return _SILENCE
        self._until_mark -= 1
        if self._until_mark > 0:
            return _SILENCE
        self._until_mark = _MARK_EVERY - 1
        number = self._digits.pop(0) if self._digits else next(self._marks) % NUMBERS
        payload, self._pending, rest_ms = _MARKS[number]
        self.said.append((number, now, rest_ms))
        return payload

    # What the caller hears.

    def _message(self, _socket: Socket, message: bytes) -> None:
        event, now = orjson.loads(message), now_ms()
        kind = event["event"]
        if kind == "media":
            self._hear(b64decode(event["media"]["payload"]), now)
        elif kind == "mark":
            self._waiting.append((self._plays_until_ms, event["mark"]["name"]))
            self._answer_marks(now)
        elif kind == "clear":
            self.clears.append(now)
            self._plays_until_ms = 0.0
            self._waiting = deque((0.0, name) for _, name in self._waiting)
            self._answer_marks(now)

    def _hear(self, sound: bytes, now: float) -> None:
        if self.first_sound_ms is None:
            self.first_sound_ms = now
            self.is_up.set()
        begins_ms = max(now, self._plays_until_ms)
        self._plays_until_ms = begins_ms + len(sound) / 8
        for found in self._finder.take(ulaw_decode(sound), begins_ms):
            self.heard.append((found.number, found.at_ms + found.offset_ms))

    def _answer_marks(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            name = self._waiting.popleft()[1].encode()
            self._socket.send(
                b'{"event":"mark","sequenceNumber":"2","streamSid":"%s","mark":{"name":"%s"}}'
                % (self._id, name)
            )

    def told(self) -> dict[str, Any]:
        return {
            "said": self.said,
            "heard": self.heard,
            "clears": self.clears,
            "late_ms": self.late_ms,
            "first_sound_ms": None if self.first_sound_ms is None else self.first_sound_ms - self.began_ms,
        }


def _tell(what: str, **fields: object) -> None:
    sys.stdout.buffer.write(orjson.dumps({"at": what, **fields}) + b"\n")
    sys.stdout.buffer.flush()


async def _up(callers: list[Caller]) -> bool:
    try:
        async with asyncio.timeout(_UP_SECS):
            for caller in callers:
                await caller.is_up.wait()
    except TimeoutError:
        return False
    return True


async def _run(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _tell("there")
    port = int(await lines.readline())
    warm = Caller(0xFFF)
    await warm.connect("127.0.0.1", port, options.path, options.webhook)
    if not await _up([warm]):
        _tell("silent", now_ms=now_ms())
        return
    _tell("first sound", now_ms=now_ms())
    await asyncio.sleep(_WARM_SECS)
    warm.hang_up()
    await asyncio.sleep(_WARM_SECS)
    _tell("warm")
    await lines.readline()
    callers = [Caller(number) for number in range(options.calls)]
    began_ms = now_ms()
    for index, caller in enumerate(callers):
        # Spread evenly, a little off the frames' beat, so that the calls' frames do not come together.
        at_ms = began_ms + index * (FRAME_MS + FRAME_MS / options.calls)
        await asyncio.sleep(max(0.0, at_ms - now_ms()) / 1000)
        await caller.connect("127.0.0.1", port, options.path, options.webhook)
    is_up = await _up(callers)
    await asyncio.sleep(1.0)
    _tell("steady", is_up=is_up, now_ms=now_ms())
    await asyncio.sleep(options.seconds)
    _tell("over", now_ms=now_ms())
    await lines.readline()
    for caller in callers:
        caller.hang_up()
    _tell("told", callers=[caller.told() for caller in callers])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--path", default="/media")
    parser.add_argument("--webhook", default="")
    import uvloop

    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
