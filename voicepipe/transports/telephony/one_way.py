"""Finding out that the carrier plays nothing, because its stream was opened to listen only (P-21)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from voicepipe.transports.telephony.stream import MediaStream

_PROBE: Final = "voicepipe-probe"
_SECS: Final = 5.0
"""A mark with nothing before it comes back at once; longer than that takes no way to a carrier."""
_HOW_TO_OPEN: Final = {
    "twilio": "open it with <Connect><Stream>; <Start><Stream> only listens",
    "telnyx": "open it with stream_bidirectional_mode=rtp; without it Telnyx plays nothing that is sent",
    "plivo": 'open it with <Stream bidirectional="true">',
}


class OneWayProbe:
    """Asks the carrier for a mark as soon as the stream has started; one that only listens does not answer.

    Args:
        stream: The carrier's stream.
        say: Awaited with what to tell the application, at most once.
    """

    def __init__(self, stream: MediaStream, say: Callable[[str], Awaitable[Any]]) -> None:
        self.is_one_way = False
        """Whether it is known that the carrier plays nothing."""
        self._stream = stream
        self._say = say
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Find out; it takes a moment on a stream that goes both ways."""
        started = self._stream.started
        if started is not None and started.only_listens:
            await self._is_one_way()
            return
        wire = self._stream.wire
        if not wire.answers_idle_marks:
            return
        self._stream.send(wire.mark(_PROBE))
        try:
            async with asyncio.timeout(_SECS):
                await self._answered.wait()
        except TimeoutError:
            await self._is_one_way()

    def returned(self, name: str) -> bool:
        """Take note of a mark that came back; True if it was the probe's."""
        self._answered.set()
        return name == _PROBE

    async def no_marks(self) -> None:
        """Take note that marks are missing; if none ever came back, the carrier plays nothing."""
        if not self._answered.is_set():
            await self._is_one_way()

    async def _is_one_way(self) -> None:
        if self.is_one_way:
            return
        self.is_one_way = True
        name = self._stream.wire.name
        await self._say(f"{name}: the stream is one-way, the caller hears nothing: {_HOW_TO_OPEN[name]}")
