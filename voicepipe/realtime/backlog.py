"""What waits in a bounded queue, and how much found no room in it: told by what owns one, read by whoever watches a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue at one moment.

    Parameters:
        queue: What it leads to: `service`, `carrier`, `recording`.
        waiting_bytes: How much waits in it.
        dropped: How many messages found no room so far.
    """

    queue: str
    waiting_bytes: int
    dropped: int


@runtime_checkable
class HasBacklog(Protocol):
    """Owns a bounded queue."""

    def backlog(self) -> Backlog:
        """Return how full it is; returns at once, on any thread."""
        ...
