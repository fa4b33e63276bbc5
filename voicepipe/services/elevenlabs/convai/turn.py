"""The user's turns, inferred: the wire does not say when one begins.

A turn begins with the first sign of it: `interruption`; a transcript; a tentative transcript, as long as the bot is silent
(while it speaks, the user may only be listening aloud). It ends with its final transcript. If that never comes, as with a
noise that interrupted the bot, it ends when the bot speaks again.
"""

from __future__ import annotations

from collections.abc import Callable

from voicepipe.realtime.events import Output, UserSpeechStarted, UserSpeechStopped
from voicepipe.realtime.history import History


class UserTurns:
    """One turn at a time.

    Args:
        history: Where turns have their places, before the answers to them (P-16).
        next_id: Gives the ids of their items.
    """

    def __init__(self, history: History, next_id: Callable[[str], str]) -> None:
        self.is_open = False
        """Whether the user is taken to speak."""
        self.unanswered = ""
        """The words of a turn of which no answer has come."""
        self.unanswered_item = ""
        """The item of that turn."""
        self._history = history
        self._next_id = next_id
        self._item_id = ""

    @property
    def item_id(self) -> str:
        """The item of the turn that is open or comes next."""
        if not self._item_id:
            self._item_id = self._next_id("user")
        return self._item_id

    def begin(self, *, cancels: bool) -> list[Output]:
        """Begin a turn, unless one is open.

        Args:
            cancels: Whether it silences the bot.
        """
        if self.is_open:
            return []
        self.is_open = True
        self._history.place(self.item_id, "user")
        return [UserSpeechStarted(self.item_id, cancels_response=cancels)]

    def end(self) -> list[Output]:
        """End the turn that is open."""
        if not self.is_open:
            return []
        stopped = UserSpeechStopped(self.item_id)
        self.is_open, self._item_id = False, ""
        return [stopped]

    def said(self, text: str, item_id: str) -> None:
        """Take words that want an answer."""
        self.unanswered, self.unanswered_item = text, item_id

    def answered(self) -> None:
        """Something of the answer came."""
        self.unanswered = ""
