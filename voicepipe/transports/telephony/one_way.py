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
        self.only_listens = False
        """Whether it is certain that the carrier plays nothing."""
        self.gets_no_marks = False
        """Whether the carrier answers no marks; it may play what it is sent all the same."""
        self._stream = stream
        self._say = say
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Find out; it takes a moment on a stream that goes both ways."""
        started = self._stream.started
        name = self._stream.wire.name
        if started is not None and started.only_listens:
            self.only_listens = True
            await self._say(f"{name}: the stream is one-way, the caller hears nothing: {_HOW_TO_OPEN[name]}")
            return
        if not self._stream.wire.answers_idle_marks:
            return
        self._stream.send(self._stream.wire.mark(_PROBE))
        try:
            async with asyncio.timeout(_SECS):
                await self._answered.wait()
        except TimeoutError:
            await self.no_marks()

    def returned(self, name: str) -> bool:
        """Take note of a mark that came back; True if it was the probe's."""
        self._answered.set()
        self.gets_no_marks = False
        return name == _PROBE

    async def no_marks(self) -> None:
        """Take note that marks are missing; if none ever came back, the stream may be one-way."""
        if self._answered.is_set() or self.gets_no_marks:
            return
        self.gets_no_marks = True
        name = self._stream.wire.name
        await self._say(
            f"{name} confirms nothing that it plays; if the caller hears nothing, the stream is one-way: "
            f"{_HOW_TO_OPEN[name]}"
        )
