"""The settings of a session as the beta wire names them: flat (seed S003; protocol page of the beta wire, section 2).

Every value is checked when it is made; an unknown name is an error. `None` means "leave it to the server", and
`turn_detection=False` turns detection off. `TurnDetection` and `SemanticTurnDetection` are the same on both wires.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PlainValidator, Tag

from voicepipe.services.openai.realtime.events import (
    NamedTool,
    SemanticTurnDetection,
    StoredPrompt,
    Tracing,
    TurnDetection,
)
from voicepipe.services.openai.realtime.tools import checked_tool, tool_without_secrets, tools_as_list

__all__ = [
    "AudioFormat",
    "ConversationItem",
    "InputAudioNoiseReduction",
    "InputAudioTranscription",
    "NamedTool",
    "SemanticTurnDetection",
    "SessionProperties",
    "StoredPrompt",
    "Tracing",
    "TurnDetection",
]

AudioFormat: TypeAlias = Literal["pcm16", "g711_ulaw", "g711_alaw"]
"""`pcm16` is s16le mono at 24 kHz, the two others are G.711 at 8 kHz."""

ConversationItem: TypeAlias = Mapping[str, Any]
"""An item as the server has it: `id`, `type`, `role`, `content` and so on."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class InputAudioTranscription(_Settings):
    """Transcription of what the user says, by a model of its own beside the conversation.

    Attributes:
        model: `gpt-4o-transcribe`, `gpt-4o-mini-transcribe` or `whisper-1`.
        language: ISO 639-1, e.g. "en".
        prompt: Guidance; for `whisper-1` a list of keywords.
    """

    model: str = Field(default="gpt-4o-transcribe", min_length=1)
    language: Annotated[str, Field(min_length=1)] | None = None
    prompt: str | None = None


class InputAudioNoiseReduction(_Settings):
    """Noise reduction before turn detection and model: a headset is near, a conference room far."""

    type: Literal["near_field", "far_field"]


def _on_by_default(detection: Any) -> Any:
    return TurnDetection() if detection is True else detection


def _word_or_fields(value: Any) -> str:
    return "word" if isinstance(value, str) else "fields"


class SessionProperties(_Settings):
    """All that can be said about a session of the beta.

    Attributes:
        modalities: `["text"]`, or `["text", "audio"]`, which is also what `["audio"]` stands for: the API refuses it alone.
        instructions: What the model is to do, and how.
        voice: A built-in voice's name. It cannot change once the bot has spoken. `fable`, `onyx` and `nova`, which
            documents name, are voices of another API: they give a warning.
        input_audio_format: None is `pcm16`, the server's default.
        output_audio_format: None is `pcm16`, the server's default.
        input_audio_transcription: None is no transcription.
        input_audio_noise_reduction: None is none.
        turn_detection: None leaves it to the server, False turns it off so that the application ends turns; True is
            `TurnDetection()`.
        tools: A `ToolsSchema`, or a list of `FunctionSchema`s, direct functions and dicts; kept as dicts in the wire's
            flat shape. The handlers of direct functions and schemas are registered by the service.
        tool_choice: Whether the model may, must not or must use a tool, or the one it must use.
        temperature: 0.0 to 2.0; the API takes 0.6 to 1.2. The GA wire has none.
        max_response_output_tokens: 1 to 4096, or "inf".
        speed: 0.25 to 1.5; late in the beta.
        tracing: "auto", or the names under which it is filed; late in the beta.
        prompt: Instructions stored with the vendor; late in the beta.
        include: What comes along with transcripts; late in the beta.
    """

    # An MCP tool holds the key of its server, which neither an error nor a log line may show.
    model_config = ConfigDict(hide_input_in_errors=True)

    modalities: list[Literal["text", "audio"]] | None = Field(default=None, min_length=1)
    instructions: str | None = None
    voice: Annotated[str, Field(min_length=1)] | None = None
    input_audio_format: AudioFormat | None = None
    output_audio_format: AudioFormat | None = None
    input_audio_transcription: InputAudioTranscription | None = None
    input_audio_noise_reduction: InputAudioNoiseReduction | None = None
    turn_detection: Annotated[
        Annotated[TurnDetection | SemanticTurnDetection, Field(discriminator="type")] | Literal[False] | None,
        BeforeValidator(_on_by_default),
    ] = None
    tools: Annotated[
        list[Annotated[dict[str, Any], PlainValidator(checked_tool)]] | None, BeforeValidator(tools_as_list)
    ] = None
    tool_choice: (
        Annotated[
            Annotated[Literal["auto", "none", "required"], Tag("word")] | Annotated[NamedTool, Tag("fields")],
            Discriminator(_word_or_fields),
        ]
        | None
    ) = None
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    max_response_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    speed: float | None = Field(default=None, ge=0.25, le=1.5)
    tracing: (
        Annotated[
            Annotated[Literal["auto"], Tag("word")] | Annotated[Tracing, Tag("fields")],
            Discriminator(_word_or_fields),
        ]
        | None
    ) = None
    prompt: StoredPrompt | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, [tool_without_secrets(tool) for tool in value] if name == "tools" and value else value
