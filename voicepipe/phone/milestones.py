"""That a call was answered, and that it is over: what others wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicepipe.phone.results import CallResult


class Milestones:
    """Of one call."""

    def __init__(self) -> None:
        self.result: CallResult | None = None
        """How it ended, once it has."""
        self._answered = asyncio.Event()
        self._is_over = asyncio.Event()
        self._on_over: Callable[[], None] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether somebody picked up and the stream ran."""
        return self._answered.is_set()

    def answered(self) -> None:
        """Somebody picked up and the stream runs."""
        self._answered.set()

    def when_over(self, tell: Callable[[], None]) -> None:
        """Have something called when it is over."""
        self._on_over = tell

    def over(self, result: CallResult) -> None:
        """It has ended."""
        self.result = result
        self._is_over.set()
        if self._on_over is not None:
            self._on_over()

    async def until_over(self) -> CallResult:
        """Wait for its end, and return how it ended."""
        await self._is_over.wait()
        assert self.result is not None
        return self.result

    async def until_answered(self) -> bool:
        """Wait until it is answered or over; return whether it was answered."""
        waits = [asyncio.create_task(event.wait()) for event in (self._answered, self._is_over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return self.is_answered
