"""What a session wants done that it cannot do itself; whoever drives it grants these and reports back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.local.brain import Conversation
from voicepipe.local.openai_ga.events import Event
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.wishes import Hear


@dataclass(frozen=True, slots=True)
class Answer:
    """Make an answer: `say` and `advance`, or `call`, for each of its parts, then `finish` or `fail`."""

    response: Response
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """Stop making an answer; its end has been told."""

    response_id: str


Out: TypeAlias = Event | Hear | Answer | StopAnswer
"""What comes out of a session: an event for the client, or a wish."""
