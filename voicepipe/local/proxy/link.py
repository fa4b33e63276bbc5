"""One connection through a `FaultProxy`: what either side sends is handed on, as far as the trouble lets it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import Side

from voicepipe.local.proxy.troubles import (
    Change,
    CloseWith,
    Deaf,
    Drop,
    HalfMessage,
    Message,
    Raw,
    Say,
    Stall,
    Trouble,
)

_HALF_TEXT: Final = b'{"type": "response.output_audio.delta", "delta": "AAAA'
_LENGTH: Final = b"\x03\xe8"


@dataclass(slots=True)
class _Changing:
    change: Change
    left: int | None


class Link:
    """Two sockets, one of which is harmed.

    Args:
        victim: Whose peer seems to fail.
        other: The socket at the other side; it sees a connection that ends in the way in which the victim ends it.
    """

    def __init__(self, victim: Connection, other: Connection) -> None:
        self._victim = victim
        self._other = other
        self._open = asyncio.Event()
        self._open.set()
        self._changes: deque[_Changing] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._is_broken = False

    async def run(self) -> None:
        """Hand on until both sides have ended."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hand_on(self._other, self._victim), name="fault proxy: to the victim")
                tasks.create_task(
                    self._hand_on(self._victim, self._other), name="fault proxy: from the victim"
                )
        finally:
            for timer in self._timers:
                timer.cancel()
            self.abort()

    def abort(self) -> None:
        """Break both connections."""
        self._is_broken = True
        self._open.set()
        for socket in (self._victim, self._other):
            socket.transport.abort()

    async def strike(self, trouble: Trouble) -> None:
        """Let one trouble happen, now."""
        victim = self._victim
        match trouble:
            case Drop():
                victim.transport.abort()
            case CloseWith(code, reason):
                await self._close(victim, code, reason)
            case Stall(secs):
                self._stop_reading(secs)
                self._open.clear()
                self._later(secs, self._open.set)
            case Deaf(secs):
                self._stop_reading(secs)
            case Say(message):
                await self._send(victim, message)
            case HalfMessage(stalls):
                await self._send_half(stalls=stalls)
            case Raw(data):
                victim.transport.write(data)
            case Change():
                self._changes.append(_Changing(trouble, trouble.messages))

    async def _hand_on(self, source: Connection, target: Connection) -> None:
        try:
            while True:
                message = await source.recv()
                await self._open.wait()
                for one in self._changed(message) if target is self._victim else [message]:
                    await self._send(target, one)
        except ConnectionClosed:
            if source.close_code == 1006 or self._is_broken:
                target.transport.abort()
            else:
                await self._close(target, source.close_code, source.close_reason or "")

    def _changed(self, message: Message) -> list[Message]:
        messages = [message]
        for changing in tuple(self._changes):
            if changing.left is not None:
                changing.left -= 1
                if changing.left <= 0:
                    self._changes.remove(changing)
            messages = [changed for one in messages for changed in changing.change.by(one)]
        return messages

    def _stop_reading(self, secs: float | None) -> None:
        self._victim.transport.pause_reading()
        self._later(secs, self._victim.transport.resume_reading)

    def _later(self, secs: float | None, deed: object) -> None:
        if secs is not None and callable(deed):
            self._timers.append(asyncio.get_running_loop().call_later(secs, deed))

    async def _send_half(self, *, stalls: bool) -> None:
        """Send half of a text message; a client's frames are masked, here with zeros."""
        is_client = self._victim.protocol.side is Side.CLIENT
        head = b"\x81\xfe" + _LENGTH + bytes(4) if is_client else b"\x81\x7e" + _LENGTH
        self._victim.transport.write(head + _HALF_TEXT)
        if stalls:
            # What followed would be taken for the other half.
            await self.strike(Stall())
        else:
            self._victim.transport.close()

    async def _send(self, target: Connection, message: Message) -> None:
        try:
            await target.send(message)
        except ConnectionClosed:
            # Who reads from it sees the same.
            return

    async def _close(self, socket: Connection, code: int | None, reason: str) -> None:
        if code in (None, 1005):
            try:
                async with socket.send_context():
                    socket.protocol.send_close()
            except ConnectionClosed:
                return
        else:
            await socket.close(code, reason)
