"""The turns of a call that may still change, for whoever counts or closes each of them once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from voicepipe.telemetry.calls import Turn

_NEWEST: Final = 2
"""A turn's answer may be cut when the next one begins."""
_MOST: Final = 16
"""Of a transport that never says that the bot has stopped, turns must not be kept for ever."""


class NewestTurns:
    """Keeps the two newest turns, and one whose answer is still heard: users may speak into it as often as they like."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._last_index = -1

    def __contains__(self, index: int) -> bool:
        """Whether a turn may still change, by its index."""
        return index in self._turns

    def take(self, turn: Turn) -> list[Turn]:
        """Take a turn as it is now; returns those that are over with it. What is told of them later is passed over."""
        if turn.index in self._turns or turn.index > self._last_index:
            self._turns[turn.index] = replace(turn)
            self._last_index = max(self._last_index, turn.index)
        older = sorted(self._turns)[:-_NEWEST]
        over = [index for index in older if not _is_heard(self._turns[index])]
        over = over or older[: max(0, len(self._turns) - _MOST)]
        return [self._turns.pop(index) for index in over]

    def rest(self) -> list[Turn]:
        """Return all that are left: the call is over."""
        turns, self._turns = self._turns, {}
        return [turns[index] for index in sorted(turns)]


def _is_heard(turn: Turn) -> bool:
    return turn.bot_started_ms is not None and turn.bot_stopped_ms is None
