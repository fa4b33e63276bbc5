"""Tells when an answer is over, so that a caller knows when to say the next thing. A plain object; times are passed in."""

from __future__ import annotations


class AnswerWatch:
    """Watches one conversation.

    An answer is over when a response came after the question's end, has been played to its end, no function runs
    whose result is still to be spoken to, and it has been quiet for a while.

    Args:
        linger_ms: How long it must have been quiet.
    """

    def __init__(self, linger_ms: float) -> None:
        self._linger_ms = linger_ms
        self._is_awaited = False
        self._response_runs = False
        self._bot_speaks = False
        self._calls: set[str] = set()
        self._changed_ms = 0.0
        self._bot_began_ms: float | None = None

    def question_ended(self, now_ms: float) -> None:
        """The caller has finished speaking."""
        self._is_awaited = not self._response_runs
        self._changed_ms = now_ms

    def user_stopped(self, now_ms: float) -> None:
        """The service heard a turn of the user's end: there will be an answer."""
        self._is_awaited = True
        self._changed_ms = now_ms

    def response_started(self, now_ms: float) -> None:
        """A response began."""
        self._is_awaited, self._response_runs = False, True
        self._changed_ms = now_ms

    def response_ended(self, now_ms: float) -> None:
        """A response has all come; it may still be playing."""
        self._response_runs = False
        self._changed_ms = now_ms

    def bot_started(self, now_ms: float) -> None:
        """The bot is heard."""
        self._bot_speaks = True
        self._bot_began_ms = self._changed_ms = now_ms

    def bot_stopped(self, now_ms: float) -> None:
        """The bot is not heard any more."""
        self._bot_speaks = False
        self._changed_ms = now_ms
        self._bot_began_ms = None

    def call_started(self, call_id: str, now_ms: float) -> None:
        """A function runs."""
        self._calls.add(call_id)
        self._changed_ms = now_ms

    def call_ended(self, call_id: str, now_ms: float, *, answered: bool) -> None:
        """A function gave its result, which the bot will speak to if `answered`."""
        self._calls.discard(call_id)
        self._is_awaited = self._is_awaited or answered
        self._changed_ms = now_ms

    def bot_spoke_for(self, ms: float, now_ms: float) -> bool:
        """Whether the bot is speaking and has been for so long."""
        return self._bot_began_ms is not None and now_ms - self._bot_began_ms >= ms

    def is_over(self, now_ms: float) -> bool:
        """Whether there was an answer and it is over."""
        busy = self._is_awaited or self._response_runs or self._bot_speaks or bool(self._calls)
        return not busy and now_ms - self._changed_ms >= self._linger_ms
