"""Frames of a WebSocket as bytes: whole text messages are found and made here, all else is left to the package."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final

from websockets.protocol import SERVER, Protocol, State

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

OPEN: Final = State.OPEN
"""Python 3.11 looks a member of an enumeration up with a function of its own, which costs as much as finding a frame."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_WHOLE_TEXT: Final = 0x81
"""The first byte of a frame that is a whole text message without any extension."""
_CONTROL: Final = 0x08
_MASKS: Final = 1024
"""So many bytes of masks are taken from the system's random numbers at a time: each is a call into the kernel."""


class FrameReader:
    """Finds whole text messages in what a peer sends. Once it has left a connection to the package, it stays with that.

    Args:
        protocol: The package's, of a connection that begins.
        arrive: Called with True and the bytes of each message.
        slowly: The package's way for the bytes of all else.
        clock: The loop's, in seconds.

    Attributes:
        heard_at: When the last bytes came.
        goes_quickly: Whether anything is looked for here; not where a log of frames has to show all of them.
        is_server: Whether the peer is a client, which masks what it sends.
    """

    __slots__ = (
        "_arrive",
        "_begun",
        "_clock",
        "_end_of_before",
        "_head_is_over",
        "_is_fragmented",
        "_longest",
        "_missing",
        "_protocol",
        "_slowly",
        "goes_quickly",
        "heard_at",
        "is_server",
    )

    def __init__(
        self,
        protocol: Protocol,
        arrive: Callable[[bool, bytes], None],
        slowly: Callable[[bytes], None],
        clock: Callable[[], float],
    ) -> None:
        self.heard_at = clock()
        self.goes_quickly = not protocol.debug
        self.is_server = protocol.side is SERVER
        self._protocol = protocol
        self._arrive = arrive
        self._slowly = slowly
        self._clock = clock
        self._longest = _longest_message(protocol)
        self._head_is_over = protocol.state is OPEN
        self._end_of_before = b""
        self._is_fragmented = False
        # A frame that has not come as a whole, and how much is missing at least.
        self._begun: list[bytes] = []
        self._missing = 0

    def take(self, data: bytes) -> None:
        """Take bytes of the peer's."""
        clock = self._clock
        self.heard_at = clock()
        if not self.goes_quickly:
            self._slowly(data)
        elif self._head_is_over:
            self._take_frames(data)
        else:
            self._take_head(data)

    def _take_head(self, data: bytes) -> None:
        """Leave the handshake to the package, up to its last byte, and take what comes after that."""
        joined = self._end_of_before + data
        at = joined.find(_END_OF_HEAD)
        if at < 0:
            self._end_of_before = joined[-len(_END_OF_HEAD) + 1 :]
            self._slowly(data)
            return
        end = at + len(_END_OF_HEAD) - len(self._end_of_before)
        self._head_is_over = True
        self._slowly(data[:end])
        if end < len(data):
            self._take_frames(data[end:])

    def _take_frames(self, data: bytes) -> None:
        if self._begun:
            self._begun.append(data)
            self._missing -= len(data)
            if self._missing > 0 and self._protocol.state is OPEN:
                return
            data = b"".join(self._begun)
            self._begun.clear()
        if self._protocol.state is not OPEN:
            self._leave_to_package(data)
            return
        at, there = 0, len(data)
        while at < there:
            end = self._take_frame(data, at, there)
            if not end:
                self._begun.append(data[at:] if at else data)
                return
            at = end

    def _take_frame(self, data: bytes, at: int, there: int) -> int:
        """Take the frame that begins at `at`, and return where it ends; 0 if it is not there as a whole."""
        if there - at < 2:
            self._missing = 1
            return 0
        second = data[at + 1]
        size, begin = second & 0x7F, at + 2
        if size >= 126:
            begin += 2 if size == 126 else 8
            if there < begin:
                self._missing = begin - there
                return 0
            size = int.from_bytes(data[at + 2 : begin], "big")
        is_masked = second > 0x7F
        if is_masked is not self.is_server or (self._longest is not None and size > self._longest):
            # It breaks the rules: the package says which, and ends the connection.
            self._leave_to_package(data[at:])
            return there
        if is_masked:
            begin += 4
        end = begin + size
        if end > there:
            self._missing = end - there
            return 0
        if data[at] != _WHOLE_TEXT or self._is_fragmented:
            return self._take_slowly(data, at, end)
        payload = data[begin:end]
        arrive = self._arrive
        arrive(True, apply_mask(payload, data[begin - 4 : begin]) if is_masked else payload)
        return end

    def _take_slowly(self, data: bytes, at: int, end: int) -> int:
        if not data[at] & _CONTROL:
            self._is_fragmented = data[at] < 0x80
        self._slowly(data[at:end])
        if self._protocol.state is OPEN:
            return end
        self._leave_to_package(data[end:])
        return len(data)

    def _leave_to_package(self, data: bytes) -> None:
        """Leave all that comes from here on to the package: refused, not answered yet, or closing, it is no message."""
        self.goes_quickly = False
        if data:
            self._slowly(data)


class FrameWriter:
    """Sends whole text messages, where nothing has to be waited for.

    Args:
        protocol: The package's.
        reader: Of the same connection.

    Attributes:
        transport: Where they go, once there is one.
        is_paused: Whether it takes no more for now.
    """

    __slots__ = ("_at", "_masks", "_protocol", "_reader", "is_paused", "transport")

    def __init__(self, protocol: Protocol, reader: FrameReader) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_paused = False
        self._protocol = protocol
        self._reader = reader
        self._masks, self._at = b"", 0

    def send(self, messages: Sequence[bytes]) -> bool:
        """Hand UTF-8 messages to the transport together; False, and nothing is sent, if one would have to wait or fail."""
        transport, protocol = self.transport, self._protocol
        if (
            self.is_paused
            or transport is None
            or protocol.state is not OPEN
            or protocol.expect_continuation_frame
            or transport.is_closing()
            or not self._reader.goes_quickly
        ):
            return False
        framed = self._framed if self._reader.is_server else self._masked
        transport.write(framed(messages[0]) if len(messages) == 1 else b"".join(map(framed, messages)))
        return True

    def _framed(self, message: bytes) -> bytes:
        return head_of_text(len(message)) + message

    def _masked(self, message: bytes) -> bytes:
        at = self._at
        if at == len(self._masks):
            self._masks, at = os.urandom(_MASKS), 0
        self._at = at + 4
        mask = self._masks[at : at + 4]
        return head_of_text(len(message), is_masked=True) + mask + apply_mask(message, mask)


def head_of_text(size: int, *, is_masked: bool = False) -> bytes:
    """Return the head of a frame that is a whole text message of so many bytes; a mask, if there is one, follows it."""
    masked = 0x80 if is_masked else 0
    if size < 126:
        return bytes((_WHOLE_TEXT, masked | size))
    if size < 65536:
        return bytes((_WHOLE_TEXT, masked | 126, size >> 8, size & 0xFF))
    return bytes((_WHOLE_TEXT, masked | 127)) + size.to_bytes(8, "big")


def _longest_message(protocol: Protocol) -> int | None:
    # websockets 16 gave it another name.
    name = "max_size" if hasattr(protocol, "max_size") else "max_message_size"
    return getattr(protocol, name)
