"""What a client may send, to the letter (protocol page, section 10): its events, with items and settings from beside.

The classes say which fields there are, their types, enums and ranges; their defaults are the API's own. `messages` takes a
client's message apart with them. They are deliberately not the settings classes of voicepipe's own client, so that one
side's mistake shows on the other.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from voicepipe.local.openai_ga.item_shapes import NewItem, TakenItem
from voicepipe.local.openai_ga.session_shapes import (
    Format,
    MaxTokens,
    Modalities,
    PcmFormat,
    Prompt,
    Reasoning,
    Session,
    Shape,
    ToolChoice,
    Tools,
    Voice,
)

_MOST_METADATA: Final = 16
_LONGEST_EVENT_ID: Final = 512


class EventShape(Shape):
    """What all client events have."""

    event_id: str = Field(default="", max_length=_LONGEST_EVENT_ID)


class SessionUpdate(EventShape):
    """Change settings."""

    type: Literal["session.update"]
    session: Session


class AudioAppend(EventShape):
    """Here is sound of the user, base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class AudioCommit(EventShape):
    """The user's turn is over."""

    type: Literal["input_audio_buffer.commit"]


class AudioClear(EventShape):
    """Throw the user's sound away."""

    type: Literal["input_audio_buffer.clear"]


class ItemCreate(EventShape):
    """Put an item into the conversation."""

    type: Literal["conversation.item.create"]
    item: NewItem
    previous_item_id: str | None = None


class ItemDelete(EventShape):
    """Take an item out of the conversation."""

    type: Literal["conversation.item.delete"]
    item_id: str


class ItemRetrieve(EventShape):
    """Show an item, sound included."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(EventShape):
    """So much of an answer was heard."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: Literal[0] = 0
    audio_end_ms: int = Field(ge=0)


class _ResponseAudioOutput(Shape):
    format: Format = PcmFormat()
    voice: Voice = "marin"


class _ResponseAudio(Shape):
    output: _ResponseAudioOutput = _ResponseAudioOutput()


Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=_MOST_METADATA),
]


class ResponseWish(Shape):
    """Settings of one response, in the place of the session's."""

    conversation: Literal["auto", "none"] = "auto"
    input: list[TakenItem] | None = None
    instructions: str = ""
    output_modalities: Modalities = Field(default=["audio"])
    audio: _ResponseAudio = _ResponseAudio()
    tools: Tools = Field(default=[])
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: MaxTokens = "inf"
    reasoning: Reasoning | None = None
    prompt: Prompt | None = None
    metadata: Metadata | None = None


class ResponseCreate(EventShape):
    """Answer now."""

    type: Literal["response.create"]
    response: ResponseWish = ResponseWish()


class ResponseCancel(EventShape):
    """Stop answering."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent: TypeAlias = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
)
