"""The socket of one session: events go out in order, messages come in, and faults happen to either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias, cast

import orjson
from loguru import logger
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from voicepipe.local.faults import Fault, FaultPlan
from voicepipe.local.outbox import Outbox
from voicepipe.local.wishes import Event

Way: TypeAlias = Literal["in", "out"]
OnEvent: TypeAlias = Callable[[Way, Mapping[str, Any]], None]
"""Called with every event: "in" from the client, "out" to it."""

_LAST_WORDS_SECS: Final = 5.0
"""How long a client that does not read keeps a session that is over."""
_LONGEST_REASON: Final = 123
"""Bytes in the reason of a close frame (RFC 6455, 5.5)."""
_BROKEN: Final = '{"type": '


class Line:
    """Carries one session.

    Args:
        connection: The socket.
        faults: What goes wrong.
        on_event: Sees every event.
        unknown: The event for the fault `unknown`.
        make_error: Makes the event for the fault `error`, of the API's word for it and a message.
    """

    def __init__(
        self,
        connection: ServerConnection,
        faults: FaultPlan,
        on_event: OnEvent | None,
        unknown: Event,
        make_error: Callable[[str | None, str], Event],
    ) -> None:
        self._connection = connection
        self._faults = faults
        self._on_event = on_event
        self._unknown = unknown
        self._make_error = make_error
        self._outbox = Outbox()
        self._held: Event | None = None

    def put(self, event: Event) -> None:
        """Have an event go out; `room` says when more may come."""
        self._outbox.put(event)

    async def room(self) -> None:
        """Wait while too much is on its way out."""
        await self._outbox.room()

    async def send(self) -> None:
        """Send what there is, until the connection has ended."""
        try:
            while True:
                event = await self._outbox.get()
                try:
                    await self._send_with_faults(event)
                finally:
                    self._outbox.sent()
        except ConnectionClosed:
            return
        finally:
            # A client that is gone must be found out by those who wait until it has read.
            self._outbox.close()

    async def messages(self) -> AsyncGenerator[str | bytes]:
        """Yield what the client sends, as often as faults want it, until it leaves."""
        try:
            async for message in self._connection:
                for _ in range(await self._times(message)):
                    yield message
        except ConnectionClosed:
            logger.debug("a client of the local server left without a close frame")

    async def close(self, code: int, reason: str) -> None:
        """Close once all has gone out, or the client has had its time to take it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECS):
                await self._outbox.empty()
        short = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        await self._connection.close(code, short)

    async def _times(self, message: str | bytes) -> int:
        event = _readable(message)
        self._watch("in", event)
        due = self._faults.due(str(event.get("type")))
        if await self._broken_off(due):
            return 0
        for fault in due:
            await self._follow(fault)
        return _times(due)

    async def _send_with_faults(self, event: Event) -> None:
        due = self._faults.due(event["type"])
        if await self._broken_off(due):
            return
        if any(fault.do == "reorder" for fault in due):
            self._held = event
            return
        for _ in range(_times(due)):
            await self._transmit(event)
        held, self._held = self._held, None
        if held is not None:
            await self._transmit(held)
        for fault in due:
            await self._follow(fault)

    async def _broken_off(self, due: list[Fault]) -> bool:
        """Wait as long as faults want it; return whether one of them ended the connection."""
        for fault in due:
            if fault.do == "delay":
                await asyncio.sleep(fault.delay_ms / 1000)
            elif fault.do == "drop":
                self._connection.transport.abort()
                return True
            elif fault.do == "close":
                await self._connection.close(fault.close_code, fault.reason)
                return True
        return False

    async def _follow(self, fault: Fault) -> None:
        """Send what a fault puts behind an event."""
        if fault.do == "malformed":
            await self._connection.send(_BROKEN)
        elif fault.do == "unknown":
            await self._transmit(self._unknown)
        elif fault.do == "error":
            await self._transmit(self._make_error(fault.code, fault.message))

    async def _transmit(self, event: Event) -> None:
        self._watch("out", event)
        await self._connection.send(orjson.dumps(event).decode())

    def _watch(self, way: Way, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(way, event)


def _times(due: list[Fault]) -> int:
    deeds = [fault.do for fault in due]
    return 0 if "omit" in deeds else 2 if "duplicate" in deeds else 1


def _readable(message: str | bytes) -> Event:
    """Return a client's message as an event to look at, whatever it is; if it has only a payload, its key is its type."""
    try:
        event: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        return {"type": "unreadable"}
    fields = cast("Event", event)
    return {"type": next(iter(fields)), **fields} if len(fields) == 1 else fields
