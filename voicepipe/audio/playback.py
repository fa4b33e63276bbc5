"""How much of what the bot said has been heard: an account without a clock, kept by whoever sends the sound.

The far end is taken for a player that begins when the first sound arrives, plays at its own speed and never ahead of
what was sent; when it has run dry, it goes on with the next sound. A mark from the far end (`PlaybackMarkFrame`, a
carrier's mark) puts the account right, and it goes on from there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile

_ROUNDING_MS = 1e-6
"""Sums of the same durations in another order differ by less; one sample lasts 5 µs at the least."""
_REMEMBERED_SENDS = 1024
"""20 seconds of 20 ms chunks: how far back a mark may lie and still be carried forward exactly."""


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of an item has been played.

    Parameters:
        context_id: The response the item belongs to.
        item_id: The item.
        played_ms: How much was played, in milliseconds.
        sent_ms: How much was sent, in milliseconds.
    """

    context_id: str
    item_id: str
    played_ms: float
    sent_ms: float

    @property
    def is_complete(self) -> bool:
        """Whether all that was sent has been played."""
        return self.sent_ms - self.played_ms < _ROUNDING_MS


@dataclass(slots=True)
class _Context:
    """One response: its items in the order in which their sound was sent."""

    items: dict[str, float] = field(default_factory=dict[str, float])
    sent_ms: float = 0.0


class PlaybackClock:
    """The account of one far end. All times are milliseconds on one clock, which the caller reads.

    Contexts are played in the order in which they were sent. Those that were played to their end are dropped from the
    account when a later one is sent, so it holds little however long a call lasts.
    """

    def __init__(self) -> None:
        self._contexts: dict[str, _Context] = {}
        # Counted over all sound since the last cut, also that of contexts which have left the account.
        self._sent_ms = 0.0
        self._dropped_ms = 0.0
        # The position, counted likewise, and when it was that.
        self._position_ms = 0.0
        self._at_ms = 0.0
        self._newest_mark_ms = float("-inf")
        # When sound was sent, and how much had been sent before it: there the player may have stood still.
        self._sends: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_SENDS)

    def sent(self, context_id: str, item_id: str, duration_ms: float, now_ms: float) -> None:
        """Take into account that sound of an item left for the far end.

        Args:
            context_id: The response it belongs to.
            item_id: The item it belongs to.
            duration_ms: How long it lasts.
            now_ms: The time.
        """
        self._go_to(now_ms)
        self._sends.append((now_ms, self._sent_ms))
        if context_id not in self._contexts:
            self._drop_played()
        context = self._contexts.setdefault(context_id, _Context())
        context.items[item_id] = context.items.get(item_id, 0.0) + duration_ms
        context.sent_ms += duration_ms
        self._sent_ms += duration_ms

    def mark(self, context_id: str, played_ms: float, at_ms: float) -> None:
        """Take the far end's word for how far it is.

        Args:
            context_id: The response it plays. All that was sent before it has been played. A mark of one that was cut or
                has left the account is passed over.
            played_ms: How much of that response it had played; more than was sent counts as all of it.
            at_ms: When it had. A mark older than the newest one is passed over, whatever its context: it knows less.
        """
        if context_id not in self._contexts or at_ms < self._newest_mark_ms:
            return
        self._newest_mark_ms = at_ms
        position_ms = self._dropped_ms
        for other_id, other in self._contexts.items():
            if other_id == context_id:
                position_ms += min(max(played_ms, 0.0), other.sent_ms)
                break
            position_ms += other.sent_ms
        # From then on it played at its own speed, except that it stood still where what had been sent was at its end.
        for sent_at_ms, sent_before_ms in self._sent_after(at_ms):
            played_since_ms = min(position_ms + sent_at_ms - at_ms, sent_before_ms)
            position_ms, at_ms = max(position_ms, played_since_ms), sent_at_ms
        self._position_ms, self._at_ms = position_ms, at_ms

    def heard(self, now_ms: float) -> list[Heard]:
        """Return for each item in the account how much of it was played, oldest first."""
        left_ms = max(0.0, self._position(now_ms) - self._dropped_ms)
        parts: list[Heard] = []
        for context_id, context in self._contexts.items():
            for item_id, sent_ms in context.items.items():
                played_ms = min(left_ms, sent_ms)
                parts.append(Heard(context_id, item_id, played_ms, sent_ms))
                left_ms -= played_ms
        return parts

    def cut(self, now_ms: float) -> list[Heard]:
        """Return what `heard` returns and forget all that was sent: the far end has thrown its buffer away."""
        parts = self.heard(now_ms)
        self._contexts.clear()
        self._sends.clear()
        self._sent_ms = self._dropped_ms = self._position_ms = 0.0
        self._at_ms, self._newest_mark_ms = now_ms, float("-inf")
        return parts

    def remaining_ms(self, now_ms: float) -> float:
        """Return how much sound the far end has still to play."""
        return self._sent_ms - self._position(now_ms)

    def is_playing(self, now_ms: float) -> bool:
        """Whether the far end has sound to play."""
        return self.remaining_ms(now_ms) > _ROUNDING_MS

    def _position(self, now_ms: float) -> float:
        return min(self._position_ms + max(0.0, now_ms - self._at_ms), self._sent_ms)

    def _go_to(self, now_ms: float) -> None:
        # A mark may lie ahead of the caller's time by the way it took; the account never goes back behind it.
        self._position_ms = self._position(now_ms)
        self._at_ms = max(self._at_ms, now_ms)

    def _sent_after(self, at_ms: float) -> list[tuple[float, float]]:
        # From the newest one backwards: a mark is hardly older than the last few.
        newer = list(takewhile(lambda sent: sent[0] > at_ms, reversed(self._sends)))
        newer.reverse()
        return newer

    def _drop_played(self) -> None:
        for context_id in list(self._contexts):
            end_ms = self._dropped_ms + self._contexts[context_id].sent_ms
            if end_ms > self._position_ms + _ROUNDING_MS:
                return
            self._dropped_ms = end_ms
            del self._contexts[context_id]
