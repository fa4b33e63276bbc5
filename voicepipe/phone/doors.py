"""Who is let in: media streams with a ticket that was just issued and is used once, and webhooks that are no repeats."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_REMEMBERED: Final = 20_000
TOKEN: Final = "vptoken"
"""The name under which the carrier hands the token back; letters alone, since Plivo takes no others."""


@dataclass(frozen=True, slots=True)
class Ticket(Generic[T]):
    """The right to open one stream.

    Parameters:
        id: Part of the stream's address; lets nobody in by itself.
        token: Comes back in the carrier's `start`, never in an address.
        holder: The call it was issued for.
        expires_secs: Until when it is taken.
    """

    id: str
    token: str = field(repr=False)
    holder: T
    expires_secs: float

    def is_token(self, given: str) -> bool:
        """Whether it is the token, compared in constant time."""
        return hmac.compare_digest(self.token.encode(), given.encode("utf-8", "replace"))


class Tickets(Generic[T]):
    """The tickets that were issued and not used yet.

    Args:
        valid_secs: For how long a ticket is taken.
        clock: Returns the time in seconds.
        expired: Called with the holder of a ticket that nobody came with.
    """

    def __init__(self, valid_secs: float, clock: Callable[[], float], expired: Callable[[T], None]) -> None:
        self._valid_secs = valid_secs
        self._clock = clock
        self._expired = expired
        self._open: OrderedDict[str, Ticket[T]] = OrderedDict()

    def issue(self, holder: T) -> Ticket[T]:
        """Return a new ticket."""
        self.sweep()
        ticket = Ticket(secrets.token_hex(8), secrets.token_hex(16), holder, self._clock() + self._valid_secs)
        self._open[ticket.id] = ticket
        return ticket

    def look(self, id_: str) -> Ticket[T] | None:
        """Return a ticket that may be used still; it is not by that."""
        self.sweep()
        return self._open.get(id_)

    def take(self, id_: str) -> Ticket[T] | None:
        """Return a ticket, which is used by that; None if there is none, none any more, or it is too late."""
        self.sweep()
        return self._open.pop(id_, None)

    def sweep(self) -> None:
        """Drop what is too old, of which the oldest is always first."""
        while self._open and next(iter(self._open.values())).expires_secs <= self._clock():
            _, ticket = self._open.popitem(last=False)
            self._expired(ticket.holder)


class Repeats:
    """Remembers which webhooks came already."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, mark: str) -> bool:
        """Whether something is seen for the first time; from here on it is not."""
        if mark in self._seen:
            return False
        self._seen[mark] = None
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True
