"""Tells when an answer is over, so that a caller knows when to say the next thing. A plain object; times are passed in.

It is told what goes by: the question, the turns that the service hears in it, responses, the bot's voice and functions.
All times are milliseconds on one clock.
"""

from __future__ import annotations


class AnswerWatch:
    """Watches one conversation.

    An answer is over when a response came after the question, has been played to its end, no function runs, no result
    is still to be spoken to, and it has been quiet for a while.

    Args:
        linger_ms: How long it must have been quiet.
    """

    def __init__(self, linger_ms: float) -> None:
        self._linger_ms = linger_ms
        self._is_awaited = False
        self._is_answered = False
        self._user_speaks = False
        self._response_runs = False
        self._calls: set[str] = set()
        self._changed_ms = 0.0
        self._bot_began_ms: float | None = None

    def question_began(self, now_ms: float) -> None:
        """The caller begins to speak: no response before this one answers what is said now."""
        self._is_answered = False
        self._changed_ms = now_ms

    def question_ended(self, now_ms: float) -> None:
        """The caller has finished. What the service heard may have been answered before: files often end in silence."""
        self._is_awaited = self._is_awaited or not self._is_answered
        self._changed_ms = now_ms

    def user_started(self, now_ms: float) -> None:
        """The service hears a turn of the user's begin."""
        self._user_speaks = True
        self._changed_ms = now_ms

    def user_stopped(self, now_ms: float) -> None:
        """The service heard that turn end: there will be an answer.

        A turn's end is told twice where one processor proposes it and another decides; the second time counts for
        nothing, since the answer may have begun by then.
        """
        if self._user_speaks:
            self._user_speaks = False
            self._is_awaited = True
            self._changed_ms = now_ms

    def response_started(self, now_ms: float) -> None:
        """A response began."""
        self._response_runs = True
        self._answered(now_ms)

    def response_ended(self, now_ms: float) -> None:
        """A response has all come; it may still be playing."""
        self._response_runs = False
        self._changed_ms = now_ms

    def bot_started(self, now_ms: float) -> None:
        """The bot is heard. Speech outside of a response, as from a bot that only plays sound, is an answer as well."""
        self._bot_began_ms = now_ms
        self._changed_ms = now_ms
        if not self._response_runs:
            self._answered(now_ms)

    def bot_stopped(self, now_ms: float) -> None:
        """The bot is not heard any more."""
        self._bot_began_ms = None
        self._changed_ms = now_ms

    def call_started(self, call_id: str, now_ms: float) -> None:
        """A function runs."""
        self._calls.add(call_id)
        self._changed_ms = now_ms

    def call_ended(self, call_id: str, now_ms: float, *, answered: bool) -> None:
        """A function gave its result, which the bot will speak to if `answered`."""
        self._calls.discard(call_id)
        self._is_awaited = self._is_awaited or answered
        self._changed_ms = now_ms

    def give_up(self, now_ms: float) -> None:
        """Wait no longer for what has not come."""
        self._is_awaited = self._user_speaks = self._response_runs = False
        self._calls.clear()
        self._changed_ms = now_ms

    def bot_spoke_for(self, ms: float, now_ms: float) -> bool:
        """Whether the bot is speaking and has been for so long."""
        return self._bot_began_ms is not None and now_ms - self._bot_began_ms >= ms

    def waited_ms(self, now_ms: float) -> float:
        """Return for how long nothing has happened; while the bot is heard, something does."""
        return 0.0 if self._bot_began_ms is not None else now_ms - self._changed_ms

    def is_over(self, now_ms: float) -> bool:
        """Whether there was an answer and it is over."""
        waits = self._is_awaited or self._user_speaks or self._response_runs or bool(self._calls)
        return not waits and self._bot_began_ms is None and now_ms - self._changed_ms >= self._linger_ms

    def _answered(self, now_ms: float) -> None:
        self._is_awaited, self._user_speaks = False, False
        self._is_answered = True
        self._changed_ms = now_ms
