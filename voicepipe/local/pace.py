"""How fast an answer's sound goes out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How sound goes out.

    Parameters:
        first_delta_ms: How long an answer takes to begin, besides what brain and voice take.
        delta_ms: How much sound a delta holds.
        speed: How much faster than it plays sound goes out; None is as fast as the client takes it.
    """

    first_delta_ms: float = 0.0
    delta_ms: int = 200
    speed: float | None = 8.0


class Pacer:
    """Keeps the pace of one answer: no delta goes out before its time."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._due = 0.0

    async def first(self) -> None:
        """Wait until the answer may begin."""
        await asyncio.sleep(self._pace.first_delta_ms / 1000)

    async def next(self) -> None:
        """Wait until the next delta may go out."""
        now = asyncio.get_running_loop().time()
        # Also where there is nothing to wait for: a barge-in must be able to come between two deltas.
        await asyncio.sleep(max(0.0, self._due - now))
        if self._pace.speed is not None:
            self._due = max(self._due, now) + self._pace.delta_ms / 1000 / self._pace.speed
