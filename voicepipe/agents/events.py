"""What an `AgentSession` tells its handlers.

Each payload can be read in two ways: as older documents have it (a state is a text, a transcript has `.text`, an item
is an item) and as LiveKit Agents 1.8 has it (`.new_state`, `.transcript`, `.item`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from pipecat.metrics.metrics import MetricsData

from voicepipe.agents.history import AgentHandoff, ChatMessage, FunctionCall, FunctionCallOutput
from voicepipe.agents.usage import AgentSessionUsage
from voicepipe.errors import VoicepipeError

if TYPE_CHECKING:
    from voicepipe.agents.speech import SpeechHandle

EventName: TypeAlias = Literal[
    "agent_state_changed",
    "user_state_changed",
    "user_input_transcribed",
    "conversation_item_added",
    "function_tools_executed",
    "speech_created",
    "metrics_collected",
    "session_usage_updated",
    "error",
    "close",
]
AgentState: TypeAlias = Literal["initializing", "listening", "thinking", "speaking"]
UserState: TypeAlias = Literal["speaking", "listening", "away"]
CloseReason: TypeAlias = Literal[
    "error", "job_shutdown", "participant_disconnected", "user_initiated", "task_completed"
]


class _StateChanged(str):
    """A change of state that is equal to the text of the new one."""

    __slots__ = ("created_at", "new_state", "old_state")

    def __new__(cls, old_state: str, new_state: str) -> Self:
        """Return a change; `created_at` is the time of day, in seconds since 1970."""
        event = super().__new__(cls, new_state)
        event.old_state, event.new_state, event.created_at = old_state, new_state, time.time()
        return event

    old_state: str
    new_state: str
    created_at: float


class AgentStateChangedEvent(_StateChanged):
    """The agent is in another state: the text of the new one, with `old_state`, `new_state` and `created_at`."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The event's name."""
        return "agent_state_changed"


class UserStateChangedEvent(_StateChanged):
    """The user is in another state: the text of the new one, with `old_state`, `new_state` and `created_at`."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The event's name."""
        return "user_state_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInputTranscribedEvent:
    """Words of the user's.

    Parameters:
        transcript: The words; `text` is the same.
        is_final: Whether no more will come of this turn.
        item_id: The item of the conversation they belong to; "" if it is not known.
        speaker_id: Who spoke, where the transport tells.
        language: Which language was recognised.
        created_at: Seconds since 1970.
    """

    transcript: str
    is_final: bool = True
    item_id: str = ""
    speaker_id: str | None = None
    language: str | None = None
    created_at: float = field(default_factory=time.time)
    type: str = "user_input_transcribed"

    @property
    def text(self) -> str:
        """The words, by their older name."""
        return self.transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationItemAddedEvent:
    """Something was said and is over, or one agent took over from another.

    The item's own fields can be read here as well, for handlers that expect the item itself.

    Parameters:
        item: A message or a hand-over.
        created_at: Seconds since 1970.
    """

    item: ChatMessage | AgentHandoff
    created_at: float = field(default_factory=time.time)
    type: str = "conversation_item_added"

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.id

    @property
    def role(self) -> str:
        """Who said it; "" for a hand-over."""
        return self.item.role if isinstance(self.item, ChatMessage) else ""

    @property
    def content(self) -> list[str]:
        """The texts of a message."""
        return self.item.content if isinstance(self.item, ChatMessage) else []

    @property
    def text_content(self) -> str | None:
        """The words of a message."""
        return self.item.text_content if isinstance(self.item, ChatMessage) else None

    @property
    def interrupted(self) -> bool:
        """Whether a barge-in cut it."""
        return isinstance(self.item, ChatMessage) and self.item.interrupted

    def __str__(self) -> str:
        return str(self.item)


@dataclass(slots=True, kw_only=True)
class FunctionToolsExecutedEvent:
    """The functions that the model called have all run; their results have not been told yet.

    Parameters:
        function_calls: The calls, in their order.
        function_call_outputs: What each gave.
        has_agent_handoff: Whether one of them hands over to another agent.
        created_at: Seconds since 1970.
        has_tool_reply: Whether the model is to speak to the results.
    """

    function_calls: Sequence[FunctionCall]
    function_call_outputs: Sequence[FunctionCallOutput]
    has_agent_handoff: bool = False
    created_at: float = field(default_factory=time.time)
    type: str = "function_tools_executed"
    has_tool_reply: bool = True

    def zipped(self) -> list[tuple[FunctionCall, FunctionCallOutput]]:
        """Return each call with its output."""
        return list(zip(self.function_calls, self.function_call_outputs, strict=True))

    def cancel_tool_reply(self) -> None:
        """Tell the model the results without having it speak to them."""
        self.has_tool_reply = False

    def cancel_agent_handoff(self) -> None:
        """Leave the agent as it is."""
        self.has_agent_handoff = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCreatedEvent:
    """Somebody asked the agent to speak.

    Parameters:
        source: By which method.
        speech_handle: The speech.
        user_initiated: Always true: answers that the model gives by itself are not told here.
        created_at: Seconds since 1970.
    """

    source: Literal["say", "generate_reply"]
    speech_handle: SpeechHandle
    user_initiated: bool = True
    created_at: float = field(default_factory=time.time)
    type: str = "speech_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsCollectedEvent:
    """A measurement.

    Parameters:
        metrics: What was measured: tokens, seconds of sound, or times (all in Pipecat's shape).
        created_at: Seconds since 1970.
    """

    metrics: MetricsData
    created_at: float = field(default_factory=time.time)
    type: str = "metrics_collected"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUsageUpdatedEvent:
    """More was used; `usage` is all of the session's so far."""

    usage: AgentSessionUsage
    created_at: float = field(default_factory=time.time)
    type: str = "session_usage_updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """Something went wrong in a model or in another processor.

    Parameters:
        label: Which processor.
        message: What happened.
        recoverable: Whether the session goes on.
        error: The exception, if there was one.
    """

    label: str
    message: str
    recoverable: bool
    error: Exception | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """An error; one that is not recoverable is followed by `close`.

    Parameters:
        error: What happened.
        source: The processor it happened in.
        created_at: Seconds since 1970.
    """

    error: ModelError
    source: Any = None
    created_at: float = field(default_factory=time.time)
    type: str = "error"

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseEvent:
    """The session has ended, and nothing of it is left.

    Parameters:
        reason: Why.
        error: What ended it, if `reason` is "error".
        created_at: Seconds since 1970.
    """

    reason: CloseReason
    error: VoicepipeError | None = None
    created_at: float = field(default_factory=time.time)
    type: str = "close"
