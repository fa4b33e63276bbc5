"""The turn of the user's that is under way or waits for its answer, with its sound, should it have to be said again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from voicepipe.realtime.events import Send
from voicepipe.realtime.recent import RecentSound

HOLD_MS: Final = 10_000
"""How much of the user's sound is kept: of a turn that is not answered, and while there is no connection."""

_ONSET_MS: Final = 500
"""How much is kept while nobody speaks: as much as passes until the server says that somebody began to."""


class UserTurn:
    """One turn at a time.

    Args:
        bytes_per_ms: Of sound on the wire, as base64.
        by_client: Whether the client says when turns begin and end.
    """

    def __init__(self, bytes_per_ms: int, *, by_client: bool) -> None:
        self.item_id = ""
        self.speaks = False
        """Whether the user is speaking."""
        self.awaits_answer = False
        """Whether the turn has ended and no response to it has begun."""
        self._bytes_per_ms = bytes_per_ms
        self._by_client = by_client
        self._has_text = False
        self._again_ms = 0.0
        self._ended_before = False
        self._sound: list[Send] = []
        self._recent = RecentSound(0)
        self._set_limit()

    def set_by_client(self, by_client: bool) -> None:
        """Take note of who says when turns begin and end."""
        self._by_client = by_client
        self._set_limit()

    def recode(self, bytes_per_ms: int, recoded: Callable[[list[Send]], list[Send]]) -> None:
        """Turn the sound that is kept into another format."""
        self._bytes_per_ms = bytes_per_ms
        self._set_limit()
        self._sound = recoded(self._sound)
        for message in recoded(self._recent.take()):
            self._recent.add(message)

    def heard(self, message: Send) -> None:
        """Keep sound that goes over the wire."""
        self._recent.add(message)

    def began(self, item_id: str, audio_ms: float) -> bool:
        """The user began to speak; returns whether that is news.

        Args:
            item_id: The turn's item.
            audio_ms: Where in the connection's sound; speech that was said again is no news.
        """
        said_again = audio_ms < self._again_ms
        if not said_again:
            self._again_ms, self._ended_before = 0.0, False
        is_news = not (said_again or (self.speaks and item_id == self.item_id))
        self.item_id, self.speaks = item_id, True
        self.awaits_answer = self._has_text = False
        self._sound = []
        self._set_limit()
        return is_news

    def ended(self, item_id: str) -> bool:
        """The user's turn is over; returns whether that is news."""
        is_news = not self._ended_before
        self._again_ms, self._ended_before = 0.0, False
        self.item_id, self.speaks = item_id, False
        self.awaits_answer = True
        self._sound, self._has_text = self._recent.take(), False
        self._set_limit()
        return is_news

    def transcribed(self, item_id: str) -> None:
        """The words of a turn are known."""
        if item_id == self.item_id:
            self._has_text = True
            if not self.speaks:
                self._sound = []

    def answer_began(self) -> None:
        """A response to the turn began; its sound is kept until there is an answer."""
        self.awaits_answer = False

    def answered(self) -> None:
        """The turn has its answer."""
        self.awaits_answer = False
        self._sound = []

    def onset(self, ms: int) -> list[Send]:
        """Return the newest sound."""
        return self._recent.newest(ms * self._bytes_per_ms)

    def duration_ms(self, messages: list[Send]) -> float:
        """Return how long the sound in some messages lasts."""
        return sum(len(message.message) for message in messages) / self._bytes_per_ms

    def forget_recent(self) -> None:
        """Forget the sound that belongs to no turn."""
        self._recent.clear()

    @property
    def is_unanswered(self) -> bool:
        """Whether the turn goes on, or ended in words that nobody knows and that got no answer."""
        return self.speaks or bool(self._sound)

    def lost(self) -> list[Send]:
        """Return the sound that has to be said again over another connection; where nobody spoke, a possible onset."""
        again = [*self._sound, *self._recent.take()]
        self._again_ms = self.duration_ms(again) if self.is_unanswered else 0.0
        self._ended_before = bool(self._sound) and not self.speaks
        for message in again:
            self._recent.add(message)
        self._sound = []
        return again

    def _set_limit(self) -> None:
        ms = HOLD_MS if self.speaks or self._by_client else _ONSET_MS
        self._recent.limit = ms * self._bytes_per_ms
