"""aiohttp's WebSocket as a telephony transport takes it."""

from __future__ import annotations

from typing import Final

from aiohttp import ClientConnectionResetError, WSMsgType
from aiohttp.web import WebSocketResponse
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

_ENDED: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})
_NORMAL: Final = (1000, 1001)
POLICY: Final = 1008
"""The close code of a stream that is not let in."""


class AiohttpSocket:
    """Makes a prepared `WebSocketResponse` a `MediaSocket`.

    Args:
        socket: The socket, prepared.
    """

    def __init__(self, socket: WebSocketResponse) -> None:
        self._socket = socket

    async def recv(self) -> str | bytes:
        """Return the next message; see `MediaSocket`."""
        try:
            message = await self._socket.receive()
        except RuntimeError as error:
            # aiohttp's way to say that it was read after its end.
            raise ConnectionClosedError(None, None) from error
        if message.type in _ENDED or message.type is WSMsgType.ERROR:
            code = self._socket.close_code or 1005
            closed = ConnectionClosedOK if code in _NORMAL else ConnectionClosedError
            raise closed(Close(code, ""), None)
        return message.data

    async def send(self, message: str) -> None:
        """Send a text message; see `MediaSocket`."""
        try:
            await self._socket.send_str(message)
        except (ClientConnectionResetError, ConnectionError, RuntimeError) as error:
            raise ConnectionClosedError(None, None) from error

    async def close(self, code: int = 1000) -> None:
        """Close the socket; see `MediaSocket`."""
        await self._socket.close(code=code)
