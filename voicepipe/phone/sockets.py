"""aiohttp's WebSocket as a telephony transport takes it.

Its reader is compiled and quick; what it sends goes through two coroutines a message, and a message that waits for its
turn in a queue of ours takes a task's turn as well. So a message that has room goes to the TCP transport at once.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import ClientConnectionResetError, WSMsgType
from aiohttp.web import WebSocketResponse
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from voicepipe.quick_socket import head_of_text

_ENDED: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})
_NORMAL: Final = (1000, 1001)
POLICY: Final = 1008
"""The close code of a stream that is not let in."""
_MOST_BUFFERED: Final = 65_536
"""In bytes: beyond it aiohttp waits, too."""


class AiohttpSocket:
    """Makes a prepared `WebSocketResponse` a `MediaSocket`, and a `PromptSocket` as well.

    Args:
        socket: The socket, prepared, without compression.
        transport: The request's, on which the socket stands.
    """

    def __init__(self, socket: WebSocketResponse, transport: asyncio.Transport) -> None:
        self._socket = socket
        self._transport = transport

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

    def send_now(self, *messages: bytes) -> bool:
        """Hand text messages to the TCP transport together; see `PromptSocket`."""
        transport = self._transport
        if (
            self._socket.closed
            or transport.is_closing()
            or transport.get_write_buffer_size() > _MOST_BUFFERED
        ):
            return False
        # A server's frames are not masked.
        transport.write(b"".join([head_of_text(len(message)) + message for message in messages]))
        return True

    async def close(self, code: int = 1000) -> None:
        """Close the socket; see `MediaSocket`."""
        await self._socket.close(code=code)
