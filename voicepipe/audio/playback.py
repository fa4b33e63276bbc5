"""How much of what the bot said has been heard: an account without a clock, kept by whoever sends the sound.

The far end is taken for a player that begins when the first sound arrives, plays at its own speed and never ahead of
what was sent; when it has run dry, it goes on with the next sound. A mark from the far end (`PlaybackMarkFrame`, a
carrier's mark) puts the account right, and it goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field


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
        return self.played_ms >= self.sent_ms


@dataclass(slots=True)
class _Context:
    """One response: its items in the order in which their sound was sent."""

    items: dict[str, float] = field(default_factory=dict[str, float])
    newest_mark_ms: float = float("-inf")

    @property
    def sent_ms(self) -> float:
        return sum(self.items.values())


class PlaybackClock:
    """The account of one far end. All times are milliseconds on one clock, which the caller reads.

    Contexts are played in the order in which they were sent. Those that were played to their end are dropped from the
    account when a later one is sent, so it holds little however long a call lasts.
    """

    def __init__(self) -> None:
        self._contexts: dict[str, _Context] = {}
        # The position, counted over all contexts in the account, and when it was that.
        self._position_ms = 0.0
        self._at_ms = 0.0

    def sent(self, context_id: str, item_id: str, duration_ms: float, now_ms: float) -> None:
        """Take into account that sound of an item left for the far end.

        Args:
            context_id: The response it belongs to.
            item_id: The item it belongs to.
            duration_ms: How long it lasts.
            now_ms: The time.
        """
        self._go_to(now_ms)
        if context_id not in self._contexts:
            self._drop_played()
        items = self._contexts.setdefault(context_id, _Context()).items
        items[item_id] = items.get(item_id, 0.0) + duration_ms

    def mark(self, context_id: str, played_ms: float, at_ms: float) -> None:
        """Take the far end's word for how far it is.

        Args:
            context_id: The response it plays. All that was sent before it has been played.
            played_ms: How much of that response it had played; more than was sent counts as all of it.
            at_ms: When it had. A mark older than the newest one of its context is passed over, as is one of a context that
                was cut.
        """
        context = self._contexts.get(context_id)
        if context is None or at_ms < context.newest_mark_ms:
            return
        context.newest_mark_ms = at_ms
        before_ms = 0.0
        for other_id, other in self._contexts.items():
            if other_id == context_id:
                break
            before_ms += other.sent_ms
        self._position_ms = before_ms + min(played_ms, context.sent_ms)
        self._at_ms = at_ms

    def heard(self, now_ms: float) -> list[Heard]:
        """Return for each item in the account how much of it was played, oldest first."""
        left_ms = self._position(now_ms)
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
        self._position_ms, self._at_ms = 0.0, now_ms
        return parts

    def remaining_ms(self, now_ms: float) -> float:
        """Return how much sound the far end has still to play."""
        return self._sent_ms() - self._position(now_ms)

    def is_playing(self, now_ms: float) -> bool:
        """Whether the far end has sound to play."""
        return self.remaining_ms(now_ms) > 0

    def _sent_ms(self) -> float:
        return sum(context.sent_ms for context in self._contexts.values())

    def _position(self, now_ms: float) -> float:
        return min(self._position_ms + max(0.0, now_ms - self._at_ms), self._sent_ms())

    def _go_to(self, now_ms: float) -> None:
        # A mark may lie ahead of the caller's time by the way it took; the account never goes back behind it.
        self._position_ms = self._position(now_ms)
        self._at_ms = max(self._at_ms, now_ms)

    def _drop_played(self) -> None:
        for context_id in list(self._contexts):
            sent_ms = self._contexts[context_id].sent_ms
            if sent_ms > self._position_ms:
                return
            self._position_ms -= sent_ms
            del self._contexts[context_id]
