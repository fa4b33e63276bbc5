"""What a session wants done that it cannot do itself; whoever drives it grants these and reports back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicepipe.local.brain import Conversation
from voicepipe.local.elevenlabs.agent import WebhookTool
from voicepipe.local.elevenlabs.events import Event
from voicepipe.local.elevenlabs.reply import Reply
from voicepipe.local.wishes import Hear


@dataclass(frozen=True, slots=True)
class Answer:
    """Make a reply to a conversation: `think`, `say`, `voice` and `advance`, or `call`; then `finish` or `fail`."""

    reply: Reply
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Speak:
    """Make a reply of these sentences: `think`, `say`, `voice` and `advance`, then `finish`."""

    reply: Reply
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class StopReply:
    """Stop making a reply."""

    reply_id: str


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool of the server, then call `ConvAIServerSession.ran` with the same id."""

    call_id: str
    tool: WebhookTool
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, once all before it has gone out."""

    code: int
    reason: str


Out: TypeAlias = Event | Hear | Answer | Speak | StopReply | RunTool | Close
"""What comes out of a session: an event for the client, or a wish."""
