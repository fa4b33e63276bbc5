"""What a tool is given besides its arguments, and what it may raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicepipe.errors import VoicepipeError

if TYPE_CHECKING:
    from voicepipe.agents.agent import Agent
    from voicepipe.agents.history import FunctionCall
    from voicepipe.agents.session import AgentSession
    from voicepipe.agents.speech import SpeechHandle


class ToolError(VoicepipeError):
    """Raised by a tool: the message is told to the model as the function's error."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StopResponse(VoicepipeError):
    """Raised by a tool: it is done, and the model is not to speak to it."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """The call that a tool serves; a tool takes it as its first parameter, with this type.

    Parameters:
        session: The session.
        agent: The agent whose tool it is.
        function_call: The call, with its id and its arguments as JSON.
    """

    session: AgentSession
    agent: Agent
    function_call: FunctionCall

    @property
    def userdata(self) -> Any:
        """What the session was given as `userdata`."""
        return self.session.userdata

    @property
    def speech_handle(self) -> SpeechHandle | None:
        """The speech that was asked for and led to this call; None if the model answers the user."""
        return self.session.current_speech
