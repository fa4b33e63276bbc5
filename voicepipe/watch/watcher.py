"""What somebody who watches has still to be told: bounded, however slowly it is taken."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final

_MOST: Final = 5000


class Watcher:
    """The messages for one watcher. Of what has the same key only the newest is kept.

    Args:
        most: How many keys may wait. When there is one more the oldest is dropped, and the watcher is told how many were.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._waiting: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
        self._missed = 0
        self._something = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: tuple[Any, ...], message: dict[str, Any]) -> None:
        """Add a message, or put it in the place of the one with its key; returns at once."""
        self._waiting[key] = message
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
            self._missed += 1
        self._something.set()

    async def batch(self) -> list[dict[str, Any]]:
        """Wait until there is something, and take all of it."""
        await self._something.wait()
        self._something.clear()
        messages = list(self._waiting.values())
        self._waiting.clear()
        if self._missed:
            messages.append({"type": "missed", "count": self._missed})
            self._missed = 0
        return messages
