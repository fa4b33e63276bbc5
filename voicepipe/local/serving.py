"""A WebSocket server of sessions on this machine: its port, its door, how many it takes, and its end."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import ClassVar, Final, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse
from websockets.typing import Subprotocol

from voicepipe.errors import PortTakenError, VoicepipeError
from voicepipe.local.address import checked_port, is_from_this_machine, loopback, netloc
from voicepipe.local.driving import Backstage

_THREADS: Final = 4


class SessionServer(ABC):
    """An async context manager that has left nothing behind when it is done; a wire says who is let in, and serves them.

    Args:
        stage: What the sessions share; its brain is closed with the server, its speech is not.
        host: A loopback address; it takes no other.
        port: 0 takes a free one.
        max_sessions: How many it takes at once.
        max_message_bytes: The largest message a client may send; a larger one ends its session with close code 1009.

    Raises:
        SettingsError: `host` is no loopback address, or `port` is no port.
    """

    SUBPROTOCOL: ClassVar[str]
    """The wire's. A browser, which can give its key only as a subprotocol, wants to see one of those it offered again."""

    def __init__(
        self, stage: Backstage, *, host: str, port: int, max_sessions: int, max_message_bytes: int
    ) -> None:
        self.speech = stage.speech
        self.brain = stage.brain
        self._stage = stage
        self._host = loopback(host)
        self._port = checked_port(port)
        self._max_sessions = max_sessions
        self._max_message_bytes = max_message_bytes
        self._sessions = 0
        self._server: Server | None = None

    @property
    def sessions(self) -> int:
        """How many sessions there are now."""
        return self._sessions

    @property
    def _netloc(self) -> str:
        return netloc(self._host, self._port)

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
            VoicepipeError: The port cannot be used for another reason.
        """
        try:
            self._server = await serve(
                self._serve,
                self._host,
                self._port,
                process_request=self._open_door,
                select_subprotocol=self._subprotocol,
                compression=None,
                max_size=self._max_message_bytes,
                # A dead client shows on loopback by itself, and on a virtual clock a ping would come too late.
                ping_interval=None,
            )
        except OSError as error:
            await self.brain.aclose()
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(self._host, self._port) from None
            raise VoicepipeError(f"cannot serve at {self._host}:{self._port}: {error}") from error
        if self.speech.blocking:
            self._stage.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicepipe-local")
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all sessions and stop serving."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._stage.threads is not None:
            # It waits for one utterance at most, and no session is left that it could keep waiting.
            self._stage.threads.shutdown(cancel_futures=True)
            self._stage.threads = None
        await self.brain.aclose()

    async def _open_door(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        if not is_from_this_machine(request.headers.get("Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "Origin: that page is not of this machine.\n")
        return self._admit(connection, request)

    @abstractmethod
    def _admit(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        """Return the answer to a request that gets no session, not even one that ends at once."""

    async def _serve(self, connection: ServerConnection) -> None:
        self._sessions += 1
        try:
            await self._talk(connection)
        except ConnectionClosed:
            pass
        finally:
            self._sessions -= 1

    @abstractmethod
    async def _talk(self, connection: ServerConnection) -> None:
        """Serve one client until its session is over; clients whose handshakes overlap are admitted together."""

    def _subprotocol(self, _: object, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return Subprotocol(self.SUBPROTOCOL) if self.SUBPROTOCOL in offered else None
