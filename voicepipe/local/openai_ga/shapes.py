"""What a client may send, to the letter (protocol page, sections 3 to 5, 7 to 10).

The classes say which fields there are, their types, enums and ranges; their defaults are the API's own. `messages` takes a
client's message apart with them. They are deliberately not the settings classes of voicepipe's own client, so that one
side's mistake shows on the other.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Fields: TypeAlias = dict[str, Any]

_MOST_METADATA: Final = 16
_LONGEST_ITEM_ID: Final = 32
_LONGEST_EVENT_ID: Final = 512


class Shape(BaseModel):
    """A part of a message: unknown fields are refused, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> Fields:
        """Return the fields that the client gave, in the wire's shape; those it left out are missing."""
        return self.model_dump(exclude_unset=True)


# The session.


class _PcmFormat(Shape):
    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class _MulawFormat(Shape):
    type: Literal["audio/pcmu"]


class _AlawFormat(Shape):
    type: Literal["audio/pcma"]


_Format: TypeAlias = Annotated[_PcmFormat | _MulawFormat | _AlawFormat, Field(discriminator="type")]


class ServerVad(Shape):
    """Turns by voice activity. The silence is what sessions report, not the 500 ms that are documented."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    prefix_padding_ms: int = Field(default=300, ge=0)
    silence_duration_ms: int = Field(default=200, ge=0)
    idle_timeout_ms: Annotated[int, Field(ge=5000, le=30000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(Shape):
    """Turns by meaning."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class _Transcription(Shape):
    model: str = "gpt-4o-transcribe"
    language: str | None = None
    prompt: str = ""
    languages: list[str] = []
    keywords: list[str] = []
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] = "low"


class _NoiseReduction(Shape):
    type: Literal["near_field", "far_field"]
    strength: float = Field(default=1.0, ge=0)


class _AudioInput(Shape):
    format: _Format = _PcmFormat()
    transcription: _Transcription | None = None
    noise_reduction: _NoiseReduction | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = ServerVad()


class _CustomVoice(Shape):
    id: str


_Voice: TypeAlias = (
    Literal["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]
    | _CustomVoice
)


class _AudioOutput(Shape):
    format: _Format = _PcmFormat()
    voice: _Voice = "marin"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)


class _Audio(Shape):
    input: _AudioInput = _AudioInput()
    output: _AudioOutput = _AudioOutput()


class _FunctionTool(Shape):
    type: Literal["function"]
    name: str = Field(min_length=1)
    description: str = ""
    parameters: Fields = {}
    strict: bool = False


class _McpTool(Shape):
    """Accepted as it comes; the local server runs no MCP tools."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal["mcp"]
    server_label: str


Tools: TypeAlias = list[Annotated[_FunctionTool | _McpTool, Field(discriminator="type")]]


class _FunctionChoice(Shape):
    type: Literal["function"]
    name: str


class _McpChoice(Shape):
    type: Literal["mcp"]
    server_label: str
    name: str | None = None


ToolChoice: TypeAlias = (
    Literal["auto", "none", "required"] | Annotated[_FunctionChoice | _McpChoice, Field(discriminator="type")]
)
MaxTokens: TypeAlias = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"]
_Modalities: TypeAlias = Annotated[list[Literal["audio", "text"]], Field(min_length=1, max_length=1)]


class _Reasoning(Shape):
    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


class _TokenLimits(Shape):
    post_instructions: int = Field(ge=0)


class _Retention(Shape):
    type: Literal["retention_ratio"]
    retention_ratio: float = Field(ge=0.0, le=1.0)
    token_limits: _TokenLimits | None = None


class Tracing(Shape):
    """Under which names a session is filed."""

    workflow_name: str = ""
    group_id: str = ""
    metadata: Fields = {}


class Prompt(Shape):
    """Instructions that are stored with the vendor."""

    id: str
    version: str | None = None
    variables: Fields | None = None


class Session(Shape):
    """The settings of a session; what a default stands for is the API's own."""

    type: Literal["realtime"]
    model: str = ""
    output_modalities: _Modalities = ["audio"]
    instructions: str = (
        "You are a helpful, friendly assistant who speaks with a person. Answer briefly and naturally."
    )
    audio: _Audio = _Audio()
    tools: Tools = []
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    parallel_tool_calls: bool = True
    reasoning: _Reasoning | None = None
    truncation: Literal["auto", "disabled"] | _Retention = "auto"
    tracing: Literal["auto"] | Tracing | None = None
    prompt: Prompt | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


# Items.


class ItemShape(Shape):
    """What all items have."""

    id: str = Field(default="", min_length=1, max_length=_LONGEST_ITEM_ID)
    object: Literal["realtime.item"] = "realtime.item"
    status: Literal["completed", "incomplete", "in_progress"] = "completed"


class InputText(Shape):
    """Words for the model."""

    type: Literal["input_text"]
    text: str


class InputAudio(Shape):
    """Sound of the user."""

    type: Literal["input_audio"]
    audio: str = ""
    transcript: str | None = None


class _InputImage(Shape):
    type: Literal["input_image"]
    image_url: str = Field(pattern=r"^data:image/(png|jpeg);base64,")
    detail: Literal["auto", "low", "high"] = "auto"


class _OutputText(Shape):
    type: Literal["output_text"]
    text: str


class SystemMessage(ItemShape):
    """Words of the application."""

    type: Literal["message"]
    role: Literal["system"]
    content: list[InputText]


class _UserMessage(ItemShape):
    type: Literal["message"]
    role: Literal["user"]
    content: list[Annotated[InputText | InputAudio | _InputImage, Field(discriminator="type")]]


class _AssistantMessage(ItemShape):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[_OutputText]


_Message: TypeAlias = Annotated[SystemMessage | _UserMessage | _AssistantMessage, Field(discriminator="role")]


class FunctionCall(ItemShape):
    """A call of a function."""

    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str = ""


class FunctionCallOutput(ItemShape):
    """What a function gave."""

    type: Literal["function_call_output"]
    call_id: str
    output: str


class ItemReference(Shape):
    """An item that the conversation has."""

    type: Literal["item_reference"]
    id: str


_NewItem: TypeAlias = Annotated[_Message | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
_TakenItem: TypeAlias = Annotated[
    _Message | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]


# Events.


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
    item: _NewItem
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
    format: _Format = _PcmFormat()
    voice: _Voice = "marin"


class _ResponseAudio(Shape):
    output: _ResponseAudioOutput = _ResponseAudioOutput()


Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=_MOST_METADATA),
]


class ResponseWish(Shape):
    """Settings of one response, in the place of the session's."""

    conversation: Literal["auto", "none"] = "auto"
    input: list[_TakenItem] | None = None
    instructions: str = ""
    output_modalities: _Modalities = ["audio"]
    audio: _ResponseAudio = _ResponseAudio()
    tools: Tools = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: MaxTokens = "inf"
    reasoning: _Reasoning | None = None
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
