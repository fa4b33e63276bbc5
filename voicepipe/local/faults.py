"""Faults that can be switched on: what networks and servers do to a client now and then, exactly when a test wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Deed: TypeAlias = Literal[
    "drop",  # the connection breaks in the place of the event, with no close frame
    "close",  # the server closes in the place of the event, with `close_code`
    "omit",  # the event never goes out; one from the client is never taken
    "delay",  # the event, and all after it, wait for `delay_ms`
    "duplicate",  # the event goes out twice; one from the client is taken twice
    "reorder",  # the event goes out behind the next one; not for events from the client
    "error",  # an `error` event with `code` follows the event
    "malformed",  # a message that is no JSON follows the event
    "unknown",  # an event of a type that nobody knows follows the event
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once.

        Fault(at="response.output_audio.delta", nth=3, do="drop")

    Parameters:
        at: The type of the event it happens at; of the client's events or of the server's, which differ.
        do: What happens.
        nth: At which event of that type, counted from 1 over all sessions of the server: so a fault that ends a session
            does not meet the session after it.
        delay_ms: For `delay`.
        close_code: For `close`.
        reason: For `close`.
        code: For `error`.
        message: For `error`.
    """

    at: str
    do: Deed
    nth: int = 1
    delay_ms: float = 0.0
    close_code: int = 1011
    reason: str = ""
    code: str | None = None
    message: str = "The server had an error while processing your request."


@dataclass(frozen=True, slots=True)
class Faults:
    """All that goes wrong on a server.

    Parameters:
        happenings: What happens when.
        late_deltas: How many deltas of a cancelled response still go out before its end is told, as a real server's do.
    """

    happenings: Sequence[Fault] = ()
    late_deltas: int = 0


class FaultPlan:
    """Counts events, and says what is due."""

    def __init__(self, faults: Faults) -> None:
        self.late_deltas = faults.late_deltas
        self._happenings = tuple(faults.happenings)
        self._watched = {fault.at for fault in self._happenings}
        self._seen: Counter[str] = Counter()

    def due(self, type_: str) -> list[Fault]:
        """Return what happens at this event, which is counted."""
        if type_ not in self._watched:
            return []
        self._seen[type_] += 1
        return [fault for fault in self._happenings if fault.at == type_ and fault.nth == self._seen[type_]]
