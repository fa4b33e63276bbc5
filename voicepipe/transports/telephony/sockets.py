"""The sockets a carrier's stream may come on: what is asked of one, and Starlette's (FastAPI's) made to fit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from voicepipe.rests import Rest

_NORMAL = (1000, 1001)


class MediaSocket(Protocol):
    """An accepted WebSocket.

    `websockets.asyncio.server.ServerConnection` is one as it is; `QuickServerConnection` costs less.
    """

    async def recv(self) -> str | bytes:
        """Return the next message.

        Raises:
            websockets.exceptions.ConnectionClosed: There is none any more.
        """
        ...

    async def send(self, message: str) -> None:
        """Send a text message, and wait until there is room for the next.

        Raises:
            websockets.exceptions.ConnectionClosed: The socket is closed.
        """
        ...

    async def close(self) -> None:
        """Close the socket. May be called more than once."""
        ...


@runtime_checkable
class PromptSocket(Protocol):
    """A `MediaSocket` that can take a message without being waited for; `QuickServerConnection` is one."""

    def send_now(self, *messages: bytes) -> bool:
        """Send text messages, in UTF-8; False, and nothing is sent, where `send` would have to wait or fail."""
        ...


@runtime_checkable
class DeliveringSocket(Protocol):
    """A `MediaSocket` that gives messages to somebody as they come; `QuickServerConnection` is one."""

    async def deliver(self, reader: Callable[[bytes], Rest]) -> None:
        """Call `reader` with each message, and await what that leaves to be awaited before the next one.

        Raises:
            websockets.exceptions.ConnectionClosed: There is none any more.
        """
        ...


class AsgiWebSocket(Protocol):
    """What is used of a Starlette or FastAPI `WebSocket`."""

    async def receive(self) -> Any:
        """Return the next ASGI message."""
        ...

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        ...

    async def close(self) -> None:
        """Close the socket."""
        ...


class StarletteSocket:
    """Makes an accepted Starlette or FastAPI `WebSocket` a `MediaSocket`.

        @app.websocket("/media")
        async def media(websocket: WebSocket) -> None:
            await websocket.accept()
            transport = TelephonyTransport(StarletteSocket(websocket))

    Args:
        websocket: The socket, already accepted.
    """

    def __init__(self, websocket: AsgiWebSocket) -> None:
        self._websocket = websocket
        self._is_closed = False

    async def recv(self) -> str | bytes:
        """Return the next message; see `MediaSocket`."""
        if self._is_closed:
            raise ConnectionClosedOK(None, None)
        message: Mapping[str, Any] = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._is_closed = True
            code = int(message.get("code") or 1005)
            closed = ConnectionClosedOK if code in _NORMAL else ConnectionClosedError
            raise closed(Close(code, str(message.get("reason") or "")), None)
        text = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, message: str) -> None:
        """Send a text message; see `MediaSocket`."""
        try:
            await self._websocket.send_text(message)
        except _left_errors() as error:
            self._is_closed = True
            raise ConnectionClosedError(None, None) from error

    async def close(self) -> None:
        """Close the socket; see `MediaSocket`."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._websocket.close()
        except _left_errors():
            # The other side was quicker.
            return


def _left_errors() -> tuple[type[Exception], ...]:
    """What Starlette raises when a message cannot be sent because the other side has left.

    Starlette is the application's choice and not installed with voicepipe; who has such a socket has loaded it.
    """
    module = sys.modules.get("starlette.websockets")
    return (RuntimeError, OSError, *([module.WebSocketDisconnect] if module else []))
