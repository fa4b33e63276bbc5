"""What the local servers answer with: a conversation goes in, words and tool calls come out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Message:
    """Something said.

    Parameters:
        role: Who said it.
        text: The words; of an answer that was cut by a barge-in, only those that were heard.
        cut: Whether a barge-in cut it.
        images: How many images came with it; what they show is not told.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    cut: bool = False
    images: int = 0


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A function the brain called."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a called function gave back, as the client sent it."""

    call_id: str
    output: str


Turn: TypeAlias = Message | ToolUse | ToolResult


@dataclass(frozen=True, slots=True)
class Conversation:
    """All a brain is told.

    Parameters:
        instructions: The session's (or this response's) instructions.
        turns: What was said and done so far, oldest first.
        tools: Function tools in the flat shape of the Realtime wire (`name`, `description`, `parameters`).
        tool_choice: "auto", "none", "required" or `{"type": "function", "name": ...}`.
        extra_body: What a client wants a model behind the brain to find in its request, besides all this.
    """

    instructions: str = ""
    turns: Sequence[Turn] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] = "auto"
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Say:
    """Words to speak; a reply may come in several, at best a sentence each."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function to call."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Brain(Protocol):
    """Decides what to answer."""

    def reply(self, conversation: Conversation) -> AsyncGenerator[Say | Call]:
        """Yield the answer to `conversation`, piece by piece.

        Raises:
            voicepipe.errors.VoicepipeError: There is no answer to be had, e.g. the text endpoint is away.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what it holds, e.g. connections; the server that was given the brain does so at its end."""
        ...
