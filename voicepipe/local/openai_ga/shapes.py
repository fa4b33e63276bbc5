"""What a client may send, to the letter (protocol page, sections 3 to 5, 7 to 10).

The classes say which fields there are, their types, enums and ranges; their defaults are the API's own. `client_event`
takes a message apart or raises the refusal that the API would answer with. They are deliberately not the settings classes
of voicepipe's own client, so that one side's mistake shows on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from voicepipe.local.openai_ga.events import Refusal

Fields: TypeAlias = dict[str, Any]
E = TypeVar("E")

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

_CLIENT_EVENT: Final[TypeAdapter[ClientEvent]] = TypeAdapter(
    Annotated[ClientEvent, Field(discriminator="type")]
)


def client_event(message: Mapping[str, Any]) -> ClientEvent:
    """Take a client's message apart.

    Raises:
        Refusal: There is no such event, or a field of it is unknown, missing or has a value that is not allowed.
    """
    return taken_apart(_CLIENT_EVENT, message)


def taken_apart(adapter: TypeAdapter[E], message: Mapping[str, Any]) -> E:
    """Take a client's message apart with the shapes of a wire.

    Raises:
        Refusal: There is no such event, or a field of it is unknown, missing or has a value that is not allowed.
    """
    try:
        return adapter.validate_python(message)
    except ValidationError as error:
        problems = [(_path(details, message), details) for details in error.errors(include_url=False)]
        # Of the branches of a union, the one that got farthest is the one that was meant.
        path, details = max(problems, key=lambda problem: len(problem[0]))
        raise _refusal(path, details) from None


def _path(details: ErrorDetails, message: Any) -> list[str | int]:
    """Return where in the message the problem is; pydantic also names the branches of unions that it took."""
    path: list[str | int] = []
    value = message
    parts = details["loc"]
    for index, part in enumerate(parts):
        if isinstance(part, int) and isinstance(value, Sequence):
            path.append(part)
            value = cast("Sequence[Any]", value)[part]
        elif isinstance(value, Mapping) and part in value:
            path.append(part)
            value = cast("Mapping[Any, Any]", value)[part]
        elif details["type"] == "missing" and index == len(parts) - 1:
            path.append(part)
    if details["type"].startswith("union_tag"):
        path.append(str(details.get("ctx", {}).get("discriminator", "type")).strip("'"))
    return path


def _refusal(path: Sequence[str | int], details: ErrorDetails) -> Refusal:
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param)
    if kind in ("missing", "union_tag_not_found"):
        return Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    if kind == "string_too_long":
        message = f"Invalid '{param}': string too long. The maximum length is {context.get('max_length')}."
        return Refusal("string_above_max_length", message, param)
    if kind in ("literal_error", "union_tag_invalid"):
        given = context.get("tag", details["input"])
        expected = context.get("expected", context.get("expected_tags"))
        if isinstance(given, str | int | float):
            return Refusal(
                "invalid_value", f"Invalid value: '{given}'. Supported values are: {expected}.", param
            )
    if kind.endswith("_type") or kind == "literal_error":
        return Refusal("invalid_type", f"Invalid type for '{param}': {details['msg']}.", param)
    return Refusal("invalid_value", f"Invalid value for '{param}': {details['msg']}.", param)
