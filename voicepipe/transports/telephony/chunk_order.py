"""Puts the caller's sound in order, for carriers that do not promise it, and waits only where something is missing."""

from __future__ import annotations

from typing import Final

_MOST_HELD: Final = 3
"""60 ms of frames of 20 ms: what is missing for longer is taken for lost."""
_RESTART: Final = 100
"""Numbers that far back are no late chunks; the carrier counts anew."""
_STANDS_STILL: Final = 5
"""After so many chunks in a row that seem to have been there already, the numbers are not trusted any more."""


class ChunkOrder:
    """Takes numbered chunks as they come and gives them in their order. One that comes twice or too late is dropped."""

    def __init__(self) -> None:
        self.dropped = 0
        """How many chunks came twice or too late."""
        self._expected: int | None = None
        self._held: dict[int, bytes] = {}
        self._dropped_in_a_row = 0

    def take(self, number: int | None, sound: bytes) -> list[bytes]:
        """Return what may go on: nothing, this chunk, or this one and those that waited for it.

        Args:
            number: The chunk's number; without one it goes on as it is.
            sound: The chunk.
        """
        if number is None or self._dropped_in_a_row >= _STANDS_STILL:
            return [sound]
        if self._expected is None or number <= self._expected - _RESTART:
            self._expected = number
            self._held.clear()
        if number < self._expected or number in self._held:
            self.dropped += 1
            self._dropped_in_a_row += 1
            return []
        self._dropped_in_a_row = 0
        self._held[number] = sound
        if number != self._expected and len(self._held) <= _MOST_HELD:
            return []
        return self._release()

    def _release(self) -> list[bytes]:
        following = min(self._held)
        ready: list[bytes] = []
        while following in self._held:
            ready.append(self._held.pop(following))
            following += 1
        self._expected = following
        return ready
