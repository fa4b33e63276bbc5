"""A WebSocket for the load generator and the API: text messages over loopback, nothing else, at next to no cost.

Not for any other use: it takes no fragments and no extension, and a client masks with zeros, which costs nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable
from typing import cast

import numpy as np

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def text_frame(message: bytes, *, masked: bool) -> bytes:
    """Return a message as a frame."""
    return _frame(_TEXT, message, masked=masked)


def _frame(opcode: int, payload: bytes, *, masked: bool) -> bytes:
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes((0x80 | opcode, bit | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, bit | 127)) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


class Socket(asyncio.Protocol):
    """One end of a connection.

    Args:
        on_open: Called once the handshake is done.
        on_message: Called with each message.
        on_close: Called once when the connection has ended.
        path: What a client asks for; None is a server.
    """

    def __init__(
        self,
        *,
        on_open: Callable[[Socket], None],
        on_message: Callable[[Socket, bytes], None],
        on_close: Callable[[Socket], None],
        path: str | None = None,
    ) -> None:
        self.path = path or ""
        self._is_client = path is not None
        self._on_open, self._on_message, self._on_close = on_open, on_message, on_close
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._data = b""

    def send(self, message: bytes) -> None:
        """Send a text message; nothing happens if the connection has ended."""
        if self._transport is not None and self._is_open:
            self._transport.write(text_frame(message, masked=self._is_client))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None and self._is_open:
            self._transport.write(_frame(_CLOSE, b"\x03\xe8", masked=self._is_client))
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        if self._is_client:
            key = base64.b64encode(os.urandom(16)).decode()
            self._transport.write(
                f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._is_open = None, False
        self._on_close(self)

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        if not self._is_open and not self._shake_hands():
            return
        while self._take_frame():
            pass

    def _shake_hands(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        lines = head.split(b"\r\n")
        if self._is_client:
            if b" 101 " not in lines[0]:
                raise ConnectionError(f"the bot answered {lines[0]!r}")
        else:
            self.path = lines[0].split(b" ")[1].decode()
            fields = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
            key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1(key.strip() + _GUID).digest())
            assert self._transport is not None
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
        self._data, self._is_open = rest, True
        self._on_open(self)
        return True

    def _take_frame(self) -> bool:
        data = self._data
        if len(data) < 2:
            return False
        opcode, masked, size, at = data[0] & 0x0F, data[1] & 0x80, data[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(data) < at:
                return False
            size = int.from_bytes(data[2:at], "big")
        begin = at + (4 if masked else 0)
        if len(data) < begin + size:
            return False
        payload = data[begin : begin + size]
        if masked:
            payload = _unmasked(payload, data[at:begin])
        self._data = data[begin + size :]
        if opcode == _TEXT:
            self._on_message(self, payload)
        elif opcode == _PING and self._transport is not None:
            self._transport.write(_frame(_PONG, payload, masked=self._is_client))
        elif opcode == _CLOSE:
            self.close()
        return True


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    repeated = np.frombuffer(mask * (len(payload) // 4 + 1), np.uint8)[: len(payload)]
    return (np.frombuffer(payload, np.uint8) ^ repeated).tobytes()
