"""What a client of the beta wire may send, to the letter (protocol page of the beta wire, sections 2 to 4).

What is the same on the GA wire is taken from there. A name of the GA wire is an unknown parameter here.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator

from voicepipe.local.openai_ga.events import Event, Refusal
from voicepipe.local.openai_ga.item_shapes import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputText,
    ItemReference,
    ItemShape,
    SystemMessage,
)
from voicepipe.local.openai_ga.messages import taken_apart
from voicepipe.local.openai_ga.session_shapes import (
    MaxTokens,
    Prompt,
    SemanticVad,
    ServerVad,
    Shape,
    ToolChoice,
    Tools,
    Tracing,
)
from voicepipe.local.openai_ga.shapes import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    EventShape,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    Metadata,
    ResponseCancel,
)

_Format: TypeAlias = Literal["pcm16", "g711_ulaw", "g711_alaw"]
_Voice: TypeAlias = Literal["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"]
_Modality: TypeAlias = Literal["text", "audio"]
_Temperature: TypeAlias = Annotated[float, Field(ge=0.6, le=1.2)]
_COMBINATIONS: Final = (["text"], ["audio", "text"])


class _Transcription(Shape):
    model: str = "whisper-1"
    language: str | None = None
    prompt: str = ""


class _NoiseReduction(Shape):
    type: Literal["near_field", "far_field"]


class _Modalities(Shape):
    modalities: list[_Modality] = Field(default=["audio", "text"], min_length=1)

    @field_validator("modalities")
    @classmethod
    def _check_combination(cls, given: list[_Modality], info: ValidationInfo) -> list[_Modality]:
        if sorted(given) not in _COMBINATIONS:
            message = (
                f"Invalid modalities: {given}. Supported combinations are: ['text'] and ['audio', 'text']."
            )
            raise Refusal("invalid_value", message, f"{_PARENT[cls.__name__]}.{info.field_name}")
        return given


class Session(_Modalities):
    """The settings of a session; what a default stands for is the API's own."""

    instructions: str = ""
    voice: _Voice = "alloy"
    input_audio_format: _Format = "pcm16"
    output_audio_format: _Format = "pcm16"
    input_audio_transcription: _Transcription | None = None
    input_audio_noise_reduction: _NoiseReduction | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = ServerVad()
    tools: Tools = Field(default=[])
    tool_choice: ToolChoice = "auto"
    temperature: _Temperature = 0.8
    max_response_output_tokens: MaxTokens = "inf"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)
    tracing: Literal["auto"] | Tracing | None = None
    prompt: Prompt | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
    model: str = ""


class _Text(Shape):
    type: Literal["text"]
    text: str


class _UserMessage(ItemShape):
    type: Literal["message"]
    role: Literal["user"]
    content: list[Annotated[InputText | InputAudio, Field(discriminator="type")]]


class _AssistantMessage(ItemShape):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[_Text]


_Message: TypeAlias = Annotated[SystemMessage | _UserMessage | _AssistantMessage, Field(discriminator="role")]
_NewItem: TypeAlias = Annotated[_Message | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
_TakenItem: TypeAlias = Annotated[
    _Message | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]


class SessionUpdate(EventShape):
    """Change settings."""

    type: Literal["session.update"]
    session: Session


class ItemCreate(EventShape):
    """Put an item into the conversation."""

    type: Literal["conversation.item.create"]
    item: _NewItem
    previous_item_id: str | None = None


class ResponseWish(_Modalities):
    """Settings of one response, in the place of the session's; the longest length has two names."""

    conversation: Literal["auto", "none"] = "auto"
    input: list[_TakenItem] | None = None
    instructions: str = ""
    voice: _Voice = "alloy"
    output_audio_format: _Format = "pcm16"
    tools: Tools = Field(default=[])
    tool_choice: ToolChoice = "auto"
    temperature: _Temperature = 0.8
    max_response_output_tokens: MaxTokens = "inf"
    max_output_tokens: MaxTokens = "inf"
    prompt: Prompt | None = None
    metadata: Metadata | None = None


class ResponseCreate(EventShape):
    """Answer now."""

    type: Literal["response.create"]
    response: ResponseWish = ResponseWish()


_PARENT: Final = {"Session": "session", "ResponseWish": "response"}

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

_CLIENT_EVENT: Final[TypeAdapter[ClientEvent]] = TypeAdapter(
    Annotated[ClientEvent, Field(discriminator="type")]
)


def client_event(message: Event) -> ClientEvent:
    """Take a client's message apart.

    Raises:
        Refusal: There is no such event, or a field of it is unknown, missing or has a value that is not allowed.
    """
    return taken_apart(_CLIENT_EVENT, message)
