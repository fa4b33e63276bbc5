"""Who is doing what: the states of agent and user, found from what goes by. A plain object without a clock.

It is told of turns, responses, sound and functions. The agent *speaks* while it is heard, *thinks* while an answer is on its
way in any form, and *listens* otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.agents.events import AgentState


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, to ask later whether what began after it is over.

    Parameters:
        begun: How many utterances had begun.
        calls: The functions that ran.
    """

    begun: int
    calls: frozenset[str]


class Activity:
    """Follows one conversation."""

    def __init__(self) -> None:
        self.voice_apart = False
        """Whether a text-to-speech service gives the model's words a sound, so that words will be sound later."""
        self.user_speaks = False
        self.has_unwritten_words = False
        """Whether the agent said words that the history does not have yet."""
        self.begun = 0
        """How many utterances of the agent's have begun."""
        self.is_started = False
        self._responds = False
        self._is_cut = False
        self._sound_is_due = False
        self._plays = False
        self._answer_is_due = False
        self._calls: set[str] = set()

    # What there is to know.

    @property
    def agent_state(self) -> AgentState:
        """What the agent is doing."""
        if not self.is_started:
            return "initializing"
        if self._plays:
            return "speaking"
        makes_an_answer = self._is_busy and not self._is_cut
        return "thinking" if makes_an_answer or self._answer_is_due or self._calls else "listening"

    @property
    def is_uttering(self) -> bool:
        """Whether an utterance of the agent's is not over: it is made, or made and not heard to its end."""
        return self._is_busy or self._plays

    @property
    def _is_busy(self) -> bool:
        return self._responds or self._sound_is_due

    def runs_any_of(self, calls: frozenset[str]) -> bool:
        """Whether any of these functions runs."""
        return not self._calls.isdisjoint(calls)

    def mark(self) -> Mark:
        """Return this moment."""
        return Mark(self.begun, frozenset(self._calls))

    def has_begun(self, mark: Mark) -> bool:
        """Whether an utterance began since a moment."""
        return self.begun > mark.begun

    def is_over(self, mark: Mark) -> bool:
        """Whether an utterance began since a moment and is over, with all that its own function calls led to."""
        waits = self._answer_is_due and not mark.calls
        return self.has_begun(mark) and not (self.is_uttering or self._calls - mark.calls or waits)

    # What is told.

    def user_started(self) -> None:
        """The user begins to speak."""
        self.user_speaks = True
        self._answer_is_due = False

    def user_stopped(self, *, answered: bool = True) -> None:
        """The user's turn is over; `answered` says whether there will be an answer without anybody asking."""
        self._answer_is_due = self.user_speaks and answered
        self.user_speaks = False

    def response_started(self) -> None:
        """The model begins to answer."""
        self.begun += 1
        self._responds, self._answer_is_due = True, False
        self._is_cut = False

    def words(self) -> None:
        """There are words of an answer."""
        self.has_unwritten_words = True
        self._sound_is_due = self._sound_is_due or self.voice_apart

    def written(self) -> None:
        """The history has what was said."""
        self.has_unwritten_words = False

    def response_ended(self) -> None:
        """The model has given all of its answer, which may be played for long after."""
        self._responds = self._is_cut = False

    def sound_came(self) -> None:
        """There is sound to be played."""
        if not self._responds and not self._sound_is_due:
            # Words that did not come from the model.
            self.begun += 1
        self._sound_is_due = True

    def heard(self) -> None:
        """The listener begins to hear the agent."""
        self._plays, self._sound_is_due = True, False

    def fell_silent(self) -> None:
        """The listener hears the agent no more."""
        self._plays = False
        self._sound_is_due = self._sound_is_due and self._responds

    def interrupted(self) -> None:
        """What was on its way to the listener will not be heard."""
        self._sound_is_due = self._answer_is_due = self.has_unwritten_words = False
        self._is_cut = self._responds

    def call_started(self, call_id: str) -> None:
        """A function runs."""
        self._calls.add(call_id)

    def call_ended(self, call_id: str, *, answered: bool) -> None:
        """A function gave its result; `answered` says whether the model will speak to it."""
        self._calls.discard(call_id)
        self._answer_is_due = self._answer_is_due or answered
