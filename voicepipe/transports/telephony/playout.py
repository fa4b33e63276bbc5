"""What the caller has heard, counted by the marks that come back: an account without a clock or a socket."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicepipe.audio.playback import PlaybackClock

_REMEMBERED = 16
"""Responses whose length is kept; sound of one that ended long ago does not come any more."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a response had been played.

    Parameters:
        context_id: The response.
        played_ms: How much of it had been played, in milliseconds.
        at_ms: When.
    """

    context_id: str
    played_ms: float
    at_ms: float


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str
    context_id: str
    began_ms: float
    played_ms: float


class Playout:
    """The sound that a carrier was sent, and how far it came. All times are milliseconds on one clock.

    A carrier answers marks in their order, so one that comes back speaks for those before it. Names are never used twice:
    marks that a carrier returns because of a `clear` are not mistaken for sound that was played.
    """

    def __init__(self) -> None:
        self._clock = PlaybackClock()
        self._marks: deque[_Mark] = deque()
        self._names = 0
        # How much of each response was sent; the newest responses only, in the order of their first sound.
        self._sent_ms: dict[str, float] = {}

    @property
    def is_playing(self) -> bool:
        """Whether there is sound of which the carrier has not said that it was played."""
        return bool(self._marks)

    def sent_ms(self, context_id: str) -> float:
        """Return how much of a response was sent, in milliseconds."""
        return self._sent_ms.get(context_id, 0.0)

    def begins(self, context_id: str) -> str:
        """Return the name of a mark that is to go out before the sound that comes next: it tells when that begins."""
        sent_ms = self.sent_ms(context_id)
        return self._mark(context_id, sent_ms, sent_ms)

    def sent(self, context_id: str, duration_ms: float, now_ms: float) -> str:
        """Take into account that sound goes out, and return the name of the mark that is to follow it.

        Args:
            context_id: The response that it belongs to.
            duration_ms: How long it lasts.
            now_ms: The time.
        """
        self._clock.sent(context_id, context_id, duration_ms, now_ms)
        sent_before_ms = self.sent_ms(context_id)
        self._sent_ms[context_id] = sent_before_ms + duration_ms
        if len(self._sent_ms) > _REMEMBERED:
            del self._sent_ms[next(iter(self._sent_ms))]
        return self._mark(context_id, sent_before_ms, sent_before_ms + duration_ms)

    def returned(self, name: str, now_ms: float) -> list[Position]:
        """Return what is known by a mark that came back: how far its response is, and that the next one begins.

        Nothing is known by a mark from before the last cut.
        """
        found = next((mark for mark in self._marks if mark.name == name), None)
        if found is None:
            return []
        while self._marks.popleft() is not found:
            pass
        self._clock.mark(found.context_id, found.played_ms, now_ms)
        positions = [Position(found.context_id, found.played_ms, now_ms)]
        if self._marks and self._marks[0].context_id != found.context_id:
            # It may have begun before what was heard in between, as keys in the midst of an answer are.
            positions.append(Position(self._marks[0].context_id, self._marks[0].began_ms, now_ms))
        return positions

    def overdue_in_ms(self, now_ms: float) -> float:
        """Return how long it should take at most until the last mark comes back, if the carrier plays at its own speed."""
        # Of what rounding leaves nothing would ever be played: no time passes by it.
        return self._clock.remaining_ms(now_ms) if self._clock.is_playing(now_ms) else 0.0

    def cut(self, now_ms: float) -> list[Position]:
        """Return how far each response came that has not been played to its end, and forget all: it was thrown away."""
        heard = self._clock.cut(now_ms)
        self._marks.clear()
        self._sent_ms.clear()
        return [Position(part.context_id, part.played_ms, now_ms) for part in heard if not part.is_complete]

    def give_up(self) -> int:
        """Wait for no mark any more, and return how many did not come back."""
        missing = len(self._marks)
        self._marks.clear()
        return missing

    def _mark(self, context_id: str, began_ms: float, played_ms: float) -> str:
        self._names += 1
        mark = _Mark(f"voicepipe-{self._names}", context_id, began_ms, played_ms)
        self._marks.append(mark)
        return mark.name
