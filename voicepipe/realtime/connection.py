"""The socket under a session: connect, a loop that reads, a loop that writes, close. It knows nothing of any wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from voicepipe.errors import ConnectionRefused, FailureKind
from voicepipe.realtime.events import Send


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect.

    Parameters:
        url: A `ws://` or `wss://` URL.
        headers: What goes with the handshake, keys included; never shown.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def shown(self) -> str:
        """The URL without its query, fit for a log line."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a connection waits.

    Parameters:
        connect_secs: For the handshake; a realtime API answers within one second, a wrong address never.
        close_secs: For the peer's half of a close; then the socket is cut.
        max_queued_bytes: Of messages that the socket has not taken; 4 MB are a minute of 24 kHz sound as base64.
    """

    connect_secs: float = 10.0
    close_secs: float = 2.0
    max_queued_bytes: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended though nobody here ended it.

    Parameters:
        code: The close code; 1006 if there was no close frame.
        reason: The peer's words.
    """

    code: int
    reason: str


OnMessage: TypeAlias = Callable[[bytes], Awaitable[None]]
OnClosed: TypeAlias = Callable[[Closed], Awaitable[None]]

_KIND_OF_STATUS: Mapping[int, FailureKind] = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    404: "model",
    429: "rate_limit",
}


class Connection:
    """One WebSocket, from `open` to `close`. It owns the two tasks that read and write.

    Args:
        endpoint: Where to connect.
        on_message: Awaited with each message, one after the other, in the order of arrival.
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
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._something_to_send = asyncio.Event()

    async def open(self) -> None:
        """Connect and begin to read and write.

        Raises:
            ConnectionRefused: The server cannot be reached or refused the handshake; `kind` says of what sort it is.
        """
        where = self._endpoint.shown
        try:
            self._socket = await connect(
                self._endpoint.url,
                additional_headers=dict(self._endpoint.headers),
                open_timeout=self._limits.connect_secs,
                close_timeout=self._limits.close_secs,
                # Sound in base64 gains little from deflate and pays for it with time; the API sends large messages.
                compression=None,
                max_size=None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            kind = _KIND_OF_STATUS.get(status, "server" if status >= 500 else "connection")
            raise ConnectionRefused(f"{where} answered with HTTP status {status}", kind) from None
        except TimeoutError:
            waited = self._limits.connect_secs
            raise ConnectionRefused(f"{where} did not answer within {waited:g} s", "connection") from None
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise ConnectionRefused(f"{where} cannot be reached: {error}", "connection") from None
        self._tasks = [
            asyncio.create_task(self._read(self._socket), name=f"read {where}"),
            asyncio.create_task(self._write(self._socket), name=f"write {where}"),
        ]

    def send(self, message: Send) -> None:
        """Queue a message; it goes out in order. Sound is dropped, and counted, when the queue is full."""
        size = len(message.message)
        if message.droppable and self._queued_bytes + size > self._limits.max_queued_bytes:
            self.dropped += 1
            if self.dropped == 1:
                logger.warning(f"{self._endpoint.shown} does not keep up: sound to it is being dropped")
            return
        self._queue.append(message.message)
        self._queued_bytes += size
        self._something_to_send.set()

    async def close(self) -> None:
        """End the connection and both tasks. May be called more than once, and from within `on_message`."""
        socket, self._socket = self._socket, None
        tasks, self._tasks = self._tasks, []
        current = asyncio.current_task()
        others = [task for task in tasks if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if socket is not None:
            await socket.close()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                await self._deliver(await socket.recv(decode=False))
        except ConnectionClosed:
            if self._socket is socket:
                closed = Closed(socket.close_code or 1006, socket.close_reason or "")
                await self._on_closed(closed)

    async def _deliver(self, message: bytes) -> None:
        try:
            await self._on_message(message)
        except Exception as error:  # noqa: BLE001 - a fault in handling one message must not end a call
            logger.opt(exception=error).error(f"a message from {self._endpoint.shown} could not be handled")

    async def _write(self, socket: ClientConnection) -> None:
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
