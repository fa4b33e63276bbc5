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
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConcurrencyError
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from voicepipe.quick_frames import FrameReader, FrameWriter
from voicepipe.quick_inbox import Inbox, Reader

_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class QuickConnection(Connection):
    """A connection whose whole text messages come and go quickly. It is one of the package's in all other respects.

    A message is received as a whole; `recv_streaming` gives it in one piece.

    What a message touches on its way is in objects of few fields and one class each, where Python finds it quickly: a
    client's connection and a server's are two classes, with more fields than it keeps in one place.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inbox = Inbox(self._hold)
        self._frames = FrameReader(self.protocol, self._inbox.arrive, super().data_received, self.loop.time)
        self._writer = FrameWriter(self.protocol, self._frames)
        self._fragments: list[Frame] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        super().connection_made(transport)
        self._writer.transport = self.transport

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer's."""
        self._frames.take(data)

    @property
    def heard_at(self) -> float:
        """When the last bytes came, be they of a message, a ping or a pong; the loop's time in seconds."""
        return self._frames.heard_at

    def process_event(self, event: Event) -> None:
        """Take what the package found: of messages it is those that do not come quickly."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            return
        self._fragments.append(event)
        if event.fin:
            is_text = self._fragments[0].opcode is Opcode.TEXT
            message = b"".join([fragment.data for fragment in self._fragments])
            self._fragments.clear()
            self._inbox.arrive(is_text, message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that there is nothing to come any more."""
        super().connection_lost(exc)
        self._inbox.lose()

    def _hold(self, holds: bool) -> None:
        if holds:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message; as in the package, text as `str` and all else as `bytes` unless `decode` says otherwise.

        Raises:
            ConnectionClosed: There is none any more.
            ConcurrencyError: Somebody else waits for one.
        """
        inbox = self._inbox
        if inbox.is_asked:
            raise ConcurrencyError("cannot call recv while somebody else is given the messages")
        while inbox.is_empty:
            if inbox.is_lost:
                return await super().recv(decode)
            await inbox.wait()
        is_text, message = inbox.oldest()
        if not (is_text if decode is None else decode):
            return message
        try:
            return message.decode()
        except UnicodeDecodeError:
            if not inbox.is_lost:
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
        if self._inbox.is_asked:
            raise ConcurrencyError("cannot deliver while somebody else is given the messages")
        await self._inbox.deliver(reader)
        while True:
            await super().recv()

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Any]:
        """Yield the next message in one piece."""
        yield await self.recv(decode)

    # What goes out.

    def send_now(self, *messages: bytes) -> bool:
        """Hand text messages to the transport together; False, and nothing is sent, where `send` would have to wait or fail.

        Args:
            messages: In UTF-8.
        """
        return self._writer.send(messages)

    def pause_writing(self) -> None:
        """Take note that the transport takes no more for now."""
        super().pause_writing()
        self._writer.is_paused = True

    def resume_writing(self) -> None:
        """Take note that it takes more again."""
        super().resume_writing()
        self._writer.is_paused = False


class QuickClientConnection(QuickConnection, ClientConnection):
    """For `websockets.asyncio.client.connect(..., create_connection=QuickClientConnection)`."""


class QuickServerConnection(QuickConnection, ServerConnection):
    """For `websockets.asyncio.server.serve(..., create_connection=QuickServerConnection)`."""
