"""The settings of an OpenAI Realtime session, as the GA wire names them (seed S002; protocol page, section 3).

Every value is checked when it is made; an unknown name is an error. `None` means "leave it to the server": the field is not
sent. `turn_detection=False` is different from that: it goes out as JSON null and turns detection off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from voicepipe.services.openai.realtime.tools import checked_tool, tool_without_secrets, tools_as_list


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


_Text: TypeAlias = Annotated[str, Field(min_length=1)]


def _word_or_fields(value: Any) -> str:
    return "word" if isinstance(value, str) else "fields"


_WordOrFields = Discriminator(_word_or_fields)
"""So that an error speaks of what was meant, not of the other branch of a union."""


class PCMAudioFormat(_Settings):
    """s16le mono at 24 kHz, the API's own default both ways."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class PCMUAudioFormat(_Settings):
    """G.711 mu-law at 8 kHz."""

    type: Literal["audio/pcmu"] = "audio/pcmu"


class PCMAAudioFormat(_Settings):
    """G.711 A-law at 8 kHz."""

    type: Literal["audio/pcma"] = "audio/pcma"


AudioFormat: TypeAlias = Annotated[
    PCMAudioFormat | PCMUAudioFormat | PCMAAudioFormat, Field(discriminator="type")
]


class InputAudioTranscription(_Settings):
    """Transcription of what the user says, by a model of its own beside the conversation.

    Which model takes which of the others: `voicepipe.services.openai.realtime.models`.

    Attributes:
        model: E.g. `gpt-4o-transcribe`, `whisper-1`, `gpt-realtime-whisper`; with Azure a deployment.
        language: ISO 639-1, e.g. "en".
        prompt: Guidance; for `whisper-1` a list of keywords.
        languages: Those that may be spoken, each as in `language`.
        keywords: Words and phrases to expect.
        delay: How long the model waits before it writes: a longer wait is more exact.
    """

    model: str = Field(default="gpt-4o-transcribe", min_length=1)
    language: _Text | None = None
    prompt: str | None = None
    languages: list[_Text] | None = None
    keywords: list[_Text] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class InputAudioNoiseReduction(_Settings):
    """Noise reduction before turn detection and model: a headset is near, a conference room far.

    Attributes:
        strength: Higher suppresses more; left out, the server keeps what it has.
    """

    type: Literal["near_field", "far_field"]
    strength: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class TurnDetection(_Settings):
    """Turns by voice activity: a turn ends after silence.

    Attributes:
        threshold: How sure the detector must be, 0.0 to 1.0.
        prefix_padding_ms: Sound kept from before speech was found.
        silence_duration_ms: Silence that ends a turn.
        idle_timeout_ms: Silence after an answer upon which the model speaks again, 5,000 to 30,000.
        create_response: Whether the server answers by itself when a turn ends.
        interrupt_response: Whether speech of the user cancels a response that runs.
    """

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    prefix_padding_ms: int = Field(default=300, ge=0)
    silence_duration_ms: int = Field(default=500, ge=0)
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30000)
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticTurnDetection(_Settings):
    """Turns by meaning: a sentence that is not finished is waited for.

    Attributes:
        eagerness: How soon it gives up waiting: `low` 8 s, `medium` and `auto` 4 s, `high` 2 s.
        create_response: Whether the server answers by itself when a turn ends.
        interrupt_response: Whether speech of the user cancels a response that runs.
    """

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


def _on_by_default(detection: Any) -> Any:
    return TurnDetection() if detection is True else detection


class AudioInput(_Settings):
    """What is done with the user's sound.

    Attributes:
        format: None is PCM at 24 kHz, the server's default.
        transcription: None is no transcription.
        noise_reduction: None is none.
        turn_detection: None leaves it to the server, False turns it off so that the application ends turns; True is
            `TurnDetection()`.
    """

    format: AudioFormat | None = None
    transcription: InputAudioTranscription | None = None
    noise_reduction: InputAudioNoiseReduction | None = None
    turn_detection: Annotated[
        Annotated[TurnDetection | SemanticTurnDetection, Field(discriminator="type")] | Literal[False] | None,
        BeforeValidator(_on_by_default),
    ] = None


class CustomVoice(_Settings):
    """A voice of the account's own."""

    id: str = Field(pattern=r"^voice_")


class AudioOutput(_Settings):
    """How the bot sounds.

    Attributes:
        voice: A built-in voice's name or a custom voice. It cannot change once the bot has spoken.
        speed: 0.25 to 1.5; 1.0 is the voice's own.
    """

    format: AudioFormat | None = None
    voice: (
        Annotated[Annotated[_Text, Tag("word")] | Annotated[CustomVoice, Tag("fields")], _WordOrFields] | None
    ) = None
    speed: float | None = Field(default=None, ge=0.25, le=1.5)


class AudioConfiguration(_Settings):
    """Sound, both ways."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


class Reasoning(_Settings):
    """How long the model thinks; the `gpt-realtime-2` family only."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


class NamedTool(_Settings):
    """One function, or one server's tools, that the model must use.

    Attributes:
        name: Of the function; for MCP, one tool of the server's.
        server_label: Of the MCP server.
    """

    type: Literal["function", "mcp"]
    name: _Text | None = None
    server_label: _Text | None = None

    @model_validator(mode="after")
    def _check_named(self) -> Self:
        if self.type == "function" and (self.name is None or self.server_label is not None):
            raise PydanticCustomError(
                "tool_choice", "a choice of a function has its name and no server_label"
            )
        if self.type == "mcp" and self.server_label is None:
            raise PydanticCustomError("tool_choice", "server_label: a choice of an MCP server needs it")
        return self


class TokenLimits(_Settings):
    """Bounds for what is kept when old items are dropped."""

    post_instructions: int = Field(gt=0)


class RetentionRatio(_Settings):
    """Dropping old items in one go, down to a share of the allowed tokens, which keeps the cache useful for longer."""

    type: Literal["retention_ratio"] = "retention_ratio"
    retention_ratio: float = Field(ge=0.0, le=1.0)
    token_limits: TokenLimits | None = None


class Tracing(_Settings):
    """Where a session appears on the vendor's page of traces.

    Attributes:
        workflow_name: The trace's name.
        group_id: Puts traces together.
        metadata: Whatever is to be found with it.
    """

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None


class StoredPrompt(_Settings):
    """Instructions that are stored with the vendor, and what to put into their gaps."""

    id: _Text
    version: str | None = None
    variables: dict[str, Any] | None = None


class SessionProperties(_Settings):
    """All that can be said about a session.

    Which model takes what: `voicepipe.services.openai.realtime.models`.

    Attributes:
        output_modalities: `["audio"]` or `["text"]`; the API refuses both at once. `["audio", "text"]`, which older
            bots pass, is taken as audio, whose transcript comes along anyway.
        instructions: What the model is to do, and how.
        audio: Sound, both ways.
        tools: A `ToolsSchema`, or a list of `FunctionSchema`s, direct functions and dicts (functions, MCP servers);
            kept as dicts in the wire's flat shape. The handlers of direct functions and schemas are registered by
            the service.
        tool_choice: Whether the model may, must not or must use a tool, or the one it must use.
        parallel_tool_calls: Whether the model may call several functions in one response.
        max_output_tokens: 1 to 4096, or "inf".
        reasoning: How long the model thinks.
        truncation: What happens when the context overflows.
        tracing: "auto", or the names under which it is filed.
        prompt: Instructions stored with the vendor.
        include: What comes along with transcripts.
    """

    # An MCP tool holds the key of its server, which neither an error nor a log line may show.
    model_config = ConfigDict(hide_input_in_errors=True)

    output_modalities: list[Literal["text", "audio"]] | None = Field(default=None, min_length=1)
    instructions: str | None = None
    audio: AudioConfiguration | None = None
    tools: Annotated[
        list[Annotated[dict[str, Any], PlainValidator(checked_tool)]] | None, BeforeValidator(tools_as_list)
    ] = None
    tool_choice: (
        Annotated[
            Annotated[Literal["auto", "none", "required"], Tag("word")] | Annotated[NamedTool, Tag("fields")],
            _WordOrFields,
        ]
        | None
    ) = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    reasoning: Reasoning | None = None
    truncation: (
        Annotated[
            Annotated[Literal["auto", "disabled"], Tag("word")] | Annotated[RetentionRatio, Tag("fields")],
            _WordOrFields,
        ]
        | None
    ) = None
    tracing: (
        Annotated[
            Annotated[Literal["auto"], Tag("word")] | Annotated[Tracing, Tag("fields")],
            _WordOrFields,
        ]
        | None
    ) = None
    prompt: StoredPrompt | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, [tool_without_secrets(tool) for tool in value] if name == "tools" and value else value
