"""Answers that somebody waits for, by what was asked about."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from voicepipe.errors import VoicepipeError

T = TypeVar("T")


class Waiting(Generic[T]):
    """Futures by key; several may wait for the same answer."""

    def __init__(self) -> None:
        self._futures: dict[str, list[asyncio.Future[T]]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._futures

    def wait_for(self, key: str) -> asyncio.Future[T]:
        """Return a future of the answer."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(key, []).append(future)
        return future

    def give(self, key: str, answer: T) -> None:
        """Give an answer to all who wait for it."""
        for future in self._futures.pop(key, []):
            if not future.done():
                future.set_result(answer)

    def fail(self, key: str, error: VoicepipeError) -> None:
        """Tell all who wait for an answer that there is none."""
        for future in self._futures.pop(key, []):
            if not future.done():
                future.set_exception(error)

    def give_up(self, error: VoicepipeError) -> None:
        """Tell all who wait for anything that it will not come."""
        for key in list(self._futures):
            self.fail(key, error)
