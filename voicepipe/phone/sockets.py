"""A carrier's media WebSocket: aiohttp takes the request and answers it, and then hands the connection over.

aiohttp's own WebSocket makes an object of each message, puts it into a queue and wakes who waits for it. A `QuickConnection`
cuts messages out of the bytes as they come, and writes its own to the TCP transport, so it gets that. aiohttp goes on to
count the connection as one of its server's whose request is being handled: its limits, its shutdown and its ways to end a
connection hold as for any other. All that is used of aiohttp is public.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

from aiohttp import hdrs, web
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from voicepipe.quick_socket import QuickConnection

POLICY: Final = 1008
"""The close code of a stream that is not let in."""
_CLOSE_SECS: Final = 2.0

Talk: TypeAlias = Callable[[QuickConnection], Awaitable[None]]


async def upgraded(request: web.Request, talk: Talk, *, message_bytes: int) -> web.StreamResponse:
    """Answer a request for a WebSocket, and talk on it; it is closed afterwards.

    Args:
        request: The request; it is refused with 400 if it is not one for a WebSocket.
        talk: Awaited with the socket, which sends pings by itself.
        message_bytes: The longest message that is taken; a longer one closes the socket with 1009.

    Returns:
        What the handler of the request has to return.
    """
    if not web.WebSocketResponse().can_prepare(request):
        return web.Response(status=400)
    response = web.StreamResponse(
        status=101,
        headers={
            hdrs.UPGRADE: "websocket",
            hdrs.CONNECTION: "upgrade",
            hdrs.SEC_WEBSOCKET_ACCEPT: accept_key(request.headers[hdrs.SEC_WEBSOCKET_KEY]),
        },
    )
    # No further request comes on this connection.
    response.force_close()
    writer = await response.prepare(request)
    assert writer is not None
    # A full transport would have nobody told when it is not full any more.
    await writer.drain()
    socket = _handed_over(request, message_bytes)
    if socket is None:
        # The carrier has gone meanwhile.
        return response
    try:
        await talk(socket)
        await socket.close()
    finally:
        # Closed already, unless this is cancelled or fails.
        socket.transport.abort()
    return response


def _handed_over(request: web.Request, message_bytes: int) -> QuickConnection | None:
    handler, transport = request.protocol, request.transport
    if transport is None or transport.is_closing():
        return None
    protocol = ServerProtocol(state=State.OPEN, max_size=message_bytes)
    socket = _HandedOver(protocol, handler, close_timeout=_CLOSE_SECS)
    early = _Early()
    # As for a WebSocket of its own: it says what came behind the request, and holds back no more.
    handler.set_parser(cast("Any", early))
    transport.set_protocol(socket)
    socket.connection_made(transport)
    socket.start_keepalive()
    if early.data:
        socket.data_received(early.data)
    return socket


class _HandedOver(QuickConnection):
    """A connection that was aiohttp's, which is told of its end.

    Args:
        protocol: The WebSocket, open.
        handler: Who had it before.
        options: As in `QuickConnection`.
    """

    def __init__(self, protocol: ServerProtocol, handler: web.RequestHandler, **options: Any) -> None:
        super().__init__(protocol, **options)
        self._handler = handler

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that there is nothing to come any more."""
        super().connection_lost(exc)
        self._handler.connection_lost(exc)


class _Early:
    """Keeps what came of a WebSocket before the connection was handed over; to aiohttp it is what reads a WebSocket."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The connection has ended, which who has it learns by itself."""
