"""How long the agent bears a silent user: first it speaks up (timer "turn"), at last it ends the call (timer "silence")."""

from __future__ import annotations

from typing import Final

from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.timers import Timers

_GRACE_MS: Final = 1000
"""What a user has for an answer whose silence was over while the agent still spoke."""


class Silence:
    """Watches for silence. Times are milliseconds; `silent_from_ms` is when the agent will have been heard to its end.

    Args:
        timers: Of the conversation.
        agent: Whose patience it is.
    """

    def __init__(self, timers: Timers, agent: Agent) -> None:
        self._timers = timers
        self._turn_secs = agent.turn_timeout_secs
        self._call_secs = agent.silence_end_call_secs

    def user_speaks(self) -> None:
        """There is none while the user speaks."""
        self._timers.stop("turn")
        self._timers.stop("silence")

    def user_was_active(self, now_ms: float, silent_from_ms: float) -> None:
        """Begin anew: the user has spoken, written or done something."""
        self.agent_is_done(silent_from_ms)
        if self._call_secs is not None:
            self._timers.set("silence", now_ms + 1000 * self._call_secs)

    def agent_replies(self) -> None:
        """The agent has something to say; it need not speak up."""
        self._timers.stop("turn")

    def agent_is_done(self, silent_from_ms: float) -> None:
        """It is the user's turn, once the agent has been heard."""
        if self._turn_secs is not None:
            self._timers.set("turn", silent_from_ms + 1000 * self._turn_secs)

    def put_off_the_end(self, silent_from_ms: float) -> None:
        """Do not end the call while the agent is being heard."""
        self._timers.set("silence", silent_from_ms + _GRACE_MS)
