"""What was said and done in a conversation, as the brain is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voicepipe.local.brain import Message, Turn

_MOST_TURNS: Final = 2000
"""A client that only writes must not fill the memory; the oldest turns go."""


class History:
    """Turns in order. What the agent said is put right when it turns out that not all of it was heard."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._said: dict[str, Message] = {}
        self._contexts: dict[str, Message] = {}

    @property
    def turns(self) -> Sequence[Turn]:
        """All turns, oldest first."""
        return tuple(self._turns)

    def add(self, turn: Turn) -> None:
        """Add a turn."""
        self._turns.append(turn)
        if len(self._turns) > _MOST_TURNS:
            self._turns = self._turns[-_MOST_TURNS:]
            kept = {id(turn) for turn in self._turns}
            self._said = {key: turn for key, turn in self._said.items() if id(turn) in kept}
            self._contexts = {key: turn for key, turn in self._contexts.items() if id(turn) in kept}

    def say(self, utterance_id: str, text: str) -> None:
        """Add what the agent says."""
        self._said[utterance_id] = message = Message("assistant", text)
        self.add(message)

    def cut(self, utterance_id: str, heard: str) -> None:
        """Leave of what the agent said what was heard; if that is nothing, it was never said."""
        message = self._said.pop(utterance_id, None)
        if message is not None:
            self._replace(message, Message("assistant", heard, cut=True) if heard else None)

    def inform(self, text: str, context_id: str | None) -> None:
        """Add something that the agent is to know; it takes the place of what had the same id."""
        message = Message("system", text)
        before = self._contexts.pop(context_id, None) if context_id else None
        if before is not None:
            self._replace(before, None)
        if context_id:
            self._contexts[context_id] = message
        self.add(message)

    def _replace(self, old: Message, new: Message | None) -> None:
        # By identity: the same words may have been said twice.
        index = next(i for i, turn in enumerate(self._turns) if turn is old)
        self._turns[index : index + 1] = [] if new is None else [new]
