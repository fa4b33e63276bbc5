"""The socket under a session: connect, a loop that reads, a loop that writes, close. It knows nothing of any wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from loguru import logger
from websockets.exceptions import ConnectionClosed

from voicepipe.errors import SettingsError
from voicepipe.quick_socket import QuickClientConnection
from voicepipe.realtime.events import Send
from voicepipe.realtime.handshake import Endpoint, shake_hands
from voicepipe.rests import Remainder, Rest


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a connection waits.

    Parameters:
        connect_secs: For the handshake; a realtime API answers within one second, a wrong address never.
        close_secs: For the peer's half of a close; then the socket is cut.
        max_queued_bytes: Of messages that the socket has not taken; 4 MB are a minute of 24 kHz sound as base64.
        ready_secs: From the handshake until the session has its settings; a server that says nothing of them, or something
            that cannot be read, is left for another connection. None waits for ever.
        idle_secs: Without anything from the peer for so long, be it a pong, the connection is taken as lost. The peer is
            pinged twice in that time, so that one that lives is always heard. None waits for ever, and does not ping.
        max_message_bytes: Of one message from the peer; a larger one ends the connection with close code 1009, and is never
            held whole. 64 MB are 16 minutes of 24 kHz sound as base64, more than any API sends at once. None is no bound.

    Raises:
        SettingsError: A time to wait, or the bound of a message, is not more than 0.
    """

    connect_secs: float = 10.0
    close_secs: float = 2.0
    max_queued_bytes: int = 4_000_000
    ready_secs: float | None = 20.0
    idle_secs: float | None = 40.0
    max_message_bytes: int | None = 64_000_000

    def __post_init__(self) -> None:
        waits = {
            "connect_secs": self.connect_secs,
            "ready_secs": self.ready_secs,
            "idle_secs": self.idle_secs,
        }
        for name, value in waits.items():
            if value is not None and not value > 0:
                raise SettingsError(name, f"is more than 0 seconds, not {value:g}")
        if self.max_message_bytes is not None and not self.max_message_bytes > 0:
            raise SettingsError("max_message_bytes", f"is more than 0 bytes, not {self.max_message_bytes}")


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended though nobody here ended it.

    Parameters:
        code: The close code; 1006 if there was no close frame.
        reason: The peer's words.
    """

    code: int
    reason: str


OnMessage: TypeAlias = Callable[[bytes], Rest]
OnClosed: TypeAlias = Callable[[Closed], Awaitable[None]]


class Connection:
    """One WebSocket, from `open` to `close`. It owns the two tasks that read and write.

    Args:
        endpoint: Where to connect.
        on_message: Called with each message, one after the other, in the order of arrival; what it leaves is awaited.
        on_closed: Awaited once if the connection ends without `close` having been called.
        limits: How long and how much to wait.
    """

    def __init__(
        self, endpoint: Endpoint, on_message: OnMessage, on_closed: OnClosed, limits: Limits | None = None
    ) -> None:
        self.dropped = 0
        """How many messages of sound were dropped because the socket could not keep up."""
        self._endpoint = endpoint
        self._on_message = on_message
        self._on_closed = on_closed
        self._limits = limits or Limits()
        self._socket: QuickClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._something_to_send = asyncio.Event()
        self._silence: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._lost_because = ""

    async def open(self) -> None:
        """Connect and begin to read and write.

        Raises:
            ConnectionRefused: The server cannot be reached or refused the handshake; `kind` says of what sort it is.
        """
        limits, where = self._limits, self._endpoint.shown
        self._socket = await shake_hands(
            self._endpoint,
            connect_secs=limits.connect_secs,
            close_secs=limits.close_secs,
            ping_secs=limits.idle_secs / 2 if limits.idle_secs is not None else None,
            max_message_bytes=limits.max_message_bytes,
        )
        if limits.idle_secs is not None:
            self._judge_silence(self._socket, limits.idle_secs)
        self._tasks = [
            asyncio.create_task(self._read(self._socket), name=f"read {where}"),
            asyncio.create_task(self._write(self._socket), name=f"write {where}"),
        ]

    @property
    def waiting_bytes(self) -> int:
        """How much has not gone out yet."""
        return self._queued_bytes

    def send(self, message: Send) -> bool:
        """Send a message, in order: at once if the socket takes it, else when it does.

        Sound is dropped, and counted, when too much waits; False then.
        """
        if not self._queue and self._socket is not None and self._socket.send_now(message.message):
            return True
        size = len(message.message)
        if message.droppable and self._queued_bytes + size > self._limits.max_queued_bytes:
            self.dropped += 1
            if self.dropped == 1:
                logger.warning(f"{self._endpoint.shown} does not keep up: sound to it is being dropped")
            return False
        self._queue.append(message.message)
        self._queued_bytes += size
        self._something_to_send.set()
        return True

    def abandon(self, why: str) -> None:
        """Cut the socket, as if the peer had; `on_closed` is told why."""
        if self._socket is not None:
            self._lost_because = why
            self._socket.transport.abort()

    async def close(self) -> None:
        """End the connection and both tasks. May be called more than once, and from within `on_message`."""
        socket, self._socket = self._socket, None
        if self._silence is not None:
            self._silence.cancel()
        tasks, self._tasks = self._tasks, []
        current = asyncio.current_task()
        others = [task for task in tasks if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if socket is not None:
            await socket.close()

    def _judge_silence(self, socket: QuickClientConnection, idle_secs: float) -> None:
        """Cut the socket if nothing came for too long; otherwise come back when that may be so."""
        loop = asyncio.get_running_loop()
        # While a message is being handled nothing is read, and silence means nothing.
        waiting_since = loop.time() if self._waiting_since is None else self._waiting_since
        deadline = max(socket.heard_at, waiting_since) + idle_secs
        if loop.time() >= deadline:
            self._lost_because = f"nothing came for {idle_secs:g} s"
            socket.transport.abort()
            return
        self._silence = loop.call_at(deadline, self._judge_silence, socket, idle_secs)

    async def _read(self, socket: QuickClientConnection) -> None:
        self._waiting_since = asyncio.get_running_loop().time()
        try:
            await socket.deliver(self._deliver)
        except ConnectionClosed as closed:
            if self._socket is socket:
                # What was wrong with the peer's bytes stands in the close frame that they were answered with.
                ours = closed.sent.reason if closed.sent and not closed.rcvd else ""
                reason = self._lost_because or socket.close_reason or ours
                await self._on_closed(Closed(socket.close_code or 1006, reason))

    def _deliver(self, message: bytes) -> Rest:
        try:
            rest = self._on_message(message)
        except Exception as error:  # noqa: BLE001 - a fault in handling one message must not end a call
            self._say_unhandled(error)
            return None
        return None if rest is None else partial(self._handle, rest)

    async def _handle(self, rest: Remainder) -> None:
        self._waiting_since = None
        try:
            await rest()
        except Exception as error:  # noqa: BLE001 - likewise
            self._say_unhandled(error)
        self._waiting_since = asyncio.get_running_loop().time()

    def _say_unhandled(self, error: Exception) -> None:
        logger.opt(exception=error).error(f"a message from {self._endpoint.shown} could not be handled")

    async def _write(self, socket: QuickClientConnection) -> None:
        try:
            while True:
                await self._something_to_send.wait()
                self._something_to_send.clear()
                while self._queue:
                    message = self._queue.popleft()
                    self._queued_bytes -= len(message)
                    await socket.send(message, text=True)
        except ConnectionClosed:
            # The reader sees the same and reports it.
            return
