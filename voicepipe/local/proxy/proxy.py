"""A WebSocket proxy on 127.0.0.1 that hands on what both sides say, until it is told to fail."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from voicepipe.local.proxy.link import Link
from voicepipe.local.proxy.troubles import Handshake, HangUp, HttpStatus, Late, Trouble

_OF_THE_HANDSHAKE: Final = frozenset(
    {
        "host",
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    }
)

# What goes wrong here is meant to: the library's own reports of it are no news.
_SILENT: Final = logging.getLogger("voicepipe.local.proxy.silent")
_SILENT.setLevel(logging.CRITICAL + 1)


class FaultProxy:
    """Stands between a client and a WebSocket server and knows no wire; an async context manager.

        async with LocalServer(...) as server, FaultProxy(server.url) as proxy:
            llm = OpenAIRealtimeLLMService(api_key="any", base_url=proxy.url)
            ...
            await proxy.strike(Drop())

    Args:
        upstream: The address of the server, `ws://`; the path and the query of a client are added to its own host.
        harms: Who is to suffer: the `client`, whose server seems to fail, or the `server`, whose client seems to.
    """

    def __init__(self, upstream: str, *, harms: Literal["client", "server"] = "client") -> None:
        self.handshakes: deque[Handshake] = deque()
        """What the next handshakes meet, each once and in this order."""
        self.connected = 0
        """How many connections were made through it."""
        self.asked = 0
        """How many handshakes were asked for."""
        self._upstream = upstream
        self._harms = harms
        self._first: deque[tuple[Trouble, ...]] = deque()
        self._links: set[Link] = set()
        self._ahead: dict[ServerConnection, ClientConnection] = {}
        self._ends = asyncio.Event()
        self._servers: list[Server] = []
        self._port = 0

    @property
    def url(self) -> str:
        """The address for a client."""
        return f"ws://127.0.0.1:{self._port}{urlsplit(self._upstream).path}"

    @property
    def links(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        await self.open_door()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break all connections and stop serving."""
        self._ends.set()
        for link in tuple(self._links):
            link.abort()
        self.shut_door()
        for server in self._servers:
            await server.wait_closed()
        for upstream in self._ahead.values():
            await upstream.close()

    async def open_door(self) -> None:
        """Take connections; it does so from the beginning."""
        server = await serve(
            self._serve,
            "127.0.0.1",
            self._port,
            process_request=self._admit,
            select_subprotocol=self._subprotocol,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=None,
            logger=_SILENT,
            close_timeout=1,
        )
        self._servers.append(server)
        self._port = next(iter(server.sockets)).getsockname()[1]

    def shut_door(self) -> None:
        """Have the system refuse connections, as where no program listens. Those that are open stay."""
        for server in self._servers:
            server.close(close_connections=False)

    async def strike(self, trouble: Trouble) -> None:
        """Let a trouble happen on all connections, now."""
        for link in tuple(self._links):
            await link.strike(trouble)

    def strike_first(self, *troubles: Trouble) -> None:
        """Let troubles happen, in this order, on the next connection, after its handshake and before anything is handed on.

        Called again, it is for the connection after that one.
        """
        self._first.append(troubles)

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked += 1
        if self.handshakes:
            answer = await self._spoil(connection, self.handshakes.popleft())
            if answer is not None:
                return answer
        try:
            self._ahead[connection] = await self._connect(request)
        except InvalidStatus as error:
            return error.response
        except (OSError, InvalidHandshake) as error:
            return connection.respond(HTTPStatus.BAD_GATEWAY, f"{error}\n")
        return None

    async def _connect(self, request: Request) -> ClientConnection:
        """Connect to the server as the client would have."""
        parts, headers = urlsplit(self._upstream), request.headers
        offered = [
            name.strip() for line in headers.get_all("Sec-WebSocket-Protocol") for name in line.split(",")
        ]
        return await connect(
            f"{parts.scheme}://{parts.netloc}{request.path}",
            additional_headers=[
                pair for pair in headers.raw_items() if pair[0].lower() not in _OF_THE_HANDSHAKE
            ],
            subprotocols=[Subprotocol(name) for name in offered] or None,
            user_agent_header=None,
            proxy=None,
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
        )

    async def _spoil(self, connection: ServerConnection, handshake: Handshake) -> Response | None:
        match handshake:
            case HttpStatus(status, headers):
                body = b"refused by the proxy\n"
                fields = {"Content-Length": str(len(body)), "Connection": "close", **headers}
                return Response(status, "", Headers(fields), body)
            case Late(secs):
                try:
                    async with asyncio.timeout(secs):
                        await self._ends.wait()
                except TimeoutError:
                    return None
                return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the proxy ends\n")
            case HangUp():
                connection.transport.abort()
            case _:
                connection.transport.write(b"SSH-2.0-OpenSSH_9.9\r\n")
                connection.transport.close()
        return connection.respond(HTTPStatus.BAD_GATEWAY, "never sent\n")

    def _subprotocol(self, connection: ServerConnection, _offered: object) -> Subprotocol | None:
        return self._ahead[connection].subprotocol

    async def _serve(self, connection: ServerConnection) -> None:
        upstream = self._ahead.pop(connection)
        harmed = (connection, upstream) if self._harms == "client" else (upstream, connection)
        link = Link(*harmed)
        self.connected += 1
        self._links.add(link)
        try:
            for trouble in self._first.popleft() if self._first else ():
                await link.strike(trouble)
            await link.run()
        finally:
            self._links.discard(link)
