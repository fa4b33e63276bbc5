"""A quick way for whole text messages through a WebSocket of the `websockets` package, which does all else.

A call has some 140 messages a second, nearly all of them one unfragmented text frame. For each, the package makes a frame
object through three generators, or a context, a buffer and a random mask; here it is a slice, or a concatenation. And where
somebody has asked to be given messages (`deliver`), no task is woken for one. Everything that is not such a frame goes the
package's way: the handshake, pings, closes, fragments, extensions, what breaks the rules.
A relay of G.711 between two such sockets takes 3.3 million instructions a call-second, and 6.9 between the package's own
(callgrind, without the kernel's).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConcurrencyError
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Event, Protocol, State

from voicepipe.rests import Rest

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

_END_OF_HEAD: Final = b"\r\n\r\n"
_WHOLE_TEXT: Final = 0x81
"""The first byte of a frame that is a whole text message without any extension."""
_CONTROL: Final = 0x08
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_MOST_WAITING: Final = 16
_FEW_WAITING: Final = 4
"""Beyond so many messages nothing is read until there are but few: the package's own bounds."""
_MASKS: Final = 1024
"""So many bytes of masks are taken from the system's random numbers at a time: each is a call into the kernel."""

Reader: TypeAlias = Callable[[bytes], Rest]
"""Is called with a message. What it leaves to be awaited is awaited before it is called again."""


class QuickConnection(Connection):
    """A connection whose whole text messages come and go quickly. It is one of the package's in all other respects.

    A message is received as a whole; `recv_streaming` gives it in one piece.

    Attributes:
        heard_at: When the last bytes came, be they of a message, a ping or a pong; the loop's time in seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard_at = self.loop.time()
        self._is_server = self.protocol.side is SERVER
        # A log of frames has to show all of them.
        self._goes_quickly = not self.protocol.debug
        self._longest = _longest_message(self.protocol)
        self._head_is_over = self.protocol.state is State.OPEN
        self._end_of_before = b""
        self._is_fragmented = False
        # A frame that has not come as a whole, and how much is missing at least.
        self._begun: list[bytes] = []
        self._missing = 0
        # Messages that nobody has asked for yet: whether it is text, and its bytes.
        self._arrived: deque[tuple[bool, bytes]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        # Who is given messages, and what was left to be awaited of the last one.
        self._reader: Reader | None = None
        self._rest: Rest = None
        self._is_held = self._is_lost = False
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._masks, self._next_mask = b"", 0

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer's."""
        self.heard_at = self.loop.time()
        if not self._goes_quickly:
            super().data_received(data)
        elif self._head_is_over:
            self._take(data)
        else:
            self._take_head(data)

    def _take_head(self, data: bytes) -> None:
        """Leave the handshake to the package, up to its last byte, and what comes after that to `_take`."""
        joined = self._end_of_before + data
        at = joined.find(_END_OF_HEAD)
        if at < 0:
            self._end_of_before = joined[-len(_END_OF_HEAD) + 1 :]
            super().data_received(data)
            return
        end = at + len(_END_OF_HEAD) - len(self._end_of_before)
        self._head_is_over = True
        super().data_received(data[:end])
        if end < len(data):
            self._take(data[end:])

    def _take(self, data: bytes) -> None:
        if self._begun:
            self._begun.append(data)
            self._missing -= len(data)
            if self._missing > 0 and self.protocol.state is State.OPEN:
                return
            data = b"".join(self._begun)
            self._begun.clear()
        if self.protocol.state is not State.OPEN:
            self._leave_to_package(data)
            return
        at, there = 0, len(data)
        while at < there:
            end = self._take_frame(data, at, there)
            if not end:
                self._begun.append(data[at:] if at else data)
                return
            at = end

    def _take_frame(self, data: bytes, at: int, there: int) -> int:
        """Take the frame that begins at `at`, and return where it ends; 0 if it is not there as a whole."""
        if there - at < 2:
            self._missing = 1
            return 0
        second = data[at + 1]
        size, begin = second & 0x7F, at + 2
        if size >= 126:
            begin += 2 if size == 126 else 8
            if there < begin:
                self._missing = begin - there
                return 0
            size = int.from_bytes(data[at + 2 : begin], "big")
        is_masked = second > 0x7F
        if is_masked is not self._is_server or (self._longest is not None and size > self._longest):
            # It breaks the rules: the package says which, and ends the connection.
            self._leave_to_package(data[at:])
            return there
        if is_masked:
            begin += 4
        end = begin + size
        if end > there:
            self._missing = end - there
            return 0
        if data[at] != _WHOLE_TEXT or self._is_fragmented:
            return self._take_slowly(data, at, end)
        payload = data[begin:end]
        self._arrive(True, apply_mask(payload, data[begin - 4 : begin]) if is_masked else payload)
        return end

    def _take_slowly(self, data: bytes, at: int, end: int) -> int:
        if not data[at] & _CONTROL:
            self._is_fragmented = data[at] < 0x80
        super().data_received(data[at:end])
        if self.protocol.state is State.OPEN:
            return end
        self._leave_to_package(data[end:])
        return len(data)

    def _leave_to_package(self, data: bytes) -> None:
        """Leave all that comes from here on to the package: refused, not answered yet, or closing, it is no message."""
        self._goes_quickly = False
        if data:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Take what the package found: of messages it is those that do not come quickly."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            return
        if event.opcode is not Opcode.CONT:
            self._fragments_are_text = event.opcode is Opcode.TEXT
        self._fragments.append(bytes(event.data))
        if event.fin:
            self._arrive(self._fragments_are_text, b"".join(self._fragments))
            self._fragments.clear()

    def _arrive(self, is_text: bool, message: bytes) -> None:
        waiter, reader = self._waiter, self._reader
        if reader is not None and waiter is not None and not waiter.done():
            # Nothing waits, and neither does the reader wait for anything but this.
            try:
                rest = reader(message)
            except Exception as error:  # noqa: BLE001 - it is for who asked for messages, and not for the event loop
                rest = partial(_raised, error)
            if rest is not None:
                self._rest = rest
                waiter.set_result(None)
            return
        self._arrived.append((is_text, message))
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(None)
        elif len(self._arrived) > _MOST_WAITING and not self._is_held:
            self._is_held = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that there is nothing to come any more."""
        super().connection_lost(exc)
        self._is_lost = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message; as in the package, text as `str` and all else as `bytes` unless `decode` says otherwise.

        Raises:
            ConnectionClosed: There is none any more.
            ConcurrencyError: Somebody else waits for one.
        """
        if self._waiter is not None or self._reader is not None:
            raise ConcurrencyError("cannot call recv while somebody else is given the messages")
        while not self._arrived:
            if self._is_lost:
                return await super().recv(decode)
            await self._wait()
        is_text, message = self._oldest()
        if not (is_text if decode is None else decode):
            return message
        try:
            return message.decode()
        except UnicodeDecodeError:
            if not self._is_lost:
                # The package ends the connection over this, in its own words.
                self.recv_messages.put(Frame(Opcode.TEXT, message))
            return await super().recv(decode)

    async def deliver(self, reader: Reader) -> NoReturn:
        """Give each message to `reader` as soon as it is there, until the connection ends.

        Args:
            reader: Is called in this task's context, though not always by this task. What it raises is raised here.

        Raises:
            ConnectionClosed: There is no message any more.
            ConcurrencyError: Somebody else waits for one.
        """
        if self._waiter is not None or self._reader is not None:
            raise ConcurrencyError("cannot deliver while somebody else is given the messages")
        with self._read_by(partial(copy_context().run, reader)):
            while True:
                while not self._arrived and self._rest is None:
                    if self._is_lost:
                        await super().recv()
                    await self._wait()
                rest, self._rest = self._rest, None
                if rest is None:
                    rest = reader(self._oldest()[1])
                if rest is not None:
                    await rest()

    @contextmanager
    def _read_by(self, reader: Reader) -> Generator[None]:
        self._reader = reader
        try:
            yield
        finally:
            self._reader = self._rest = None

    async def _wait(self) -> None:
        """Wait for a message or the end."""
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _oldest(self) -> tuple[bool, bytes]:
        oldest = self._arrived.popleft()
        if self._is_held and len(self._arrived) < _FEW_WAITING:
            self._is_held = False
            self.transport.resume_reading()
        return oldest

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        """Yield the next message in one piece."""
        yield await self.recv(decode)

    # What goes out.

    def send_now(self, *messages: bytes) -> bool:
        """Hand text messages to the transport together; False, and nothing is sent, where `send` would have to wait or fail.

        Args:
            messages: In UTF-8.
        """
        if (
            self.paused
            or self.protocol.state is not State.OPEN
            or self.protocol.expect_continuation_frame
            or self.transport.is_closing()
            or not self._goes_quickly
        ):
            return False
        framed = self._framed
        self.transport.write(
            framed(messages[0]) if len(messages) == 1 else b"".join([framed(message) for message in messages])
        )
        return True

    def _framed(self, message: bytes) -> bytes:
        if self._is_server:
            return head_of_text(len(message)) + message
        at = self._next_mask
        if at == len(self._masks):
            self._masks, at = os.urandom(_MASKS), 0
        self._next_mask = at + 4
        mask = self._masks[at : at + 4]
        return head_of_text(len(message), is_masked=True) + mask + apply_mask(message, mask)


async def _raised(error: Exception) -> None:
    raise error


def head_of_text(size: int, *, is_masked: bool = False) -> bytes:
    """Return the head of a frame that is a whole text message of so many bytes; a mask, if there is one, follows it."""
    masked = 0x80 if is_masked else 0
    if size < 126:
        return bytes((_WHOLE_TEXT, masked | size))
    if size < 65536:
        return bytes((_WHOLE_TEXT, masked | 126, size >> 8, size & 0xFF))
    return bytes((_WHOLE_TEXT, masked | 127)) + size.to_bytes(8, "big")


def _longest_message(protocol: Protocol) -> int | None:
    # websockets 16 gave it another name.
    limits = vars(protocol)
    return limits["max_size"] if "max_size" in limits else limits["max_message_size"]


class QuickClientConnection(QuickConnection, ClientConnection):
    """For `websockets.asyncio.client.connect(..., create_connection=QuickClientConnection)`."""


class QuickServerConnection(QuickConnection, ServerConnection):
    """For `websockets.asyncio.server.serve(..., create_connection=QuickServerConnection)`."""
