"""The settings of an OpenAI Realtime session, as the GA wire names them (seed S002; protocol page, section 3).

Every value is checked when it is made; an unknown name is an error. `None` means "leave it to the server": the field is not
sent. `turn_detection=False` is different from that: it goes out as JSON null and turns detection off.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


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

    Attributes:
        model: E.g. `gpt-4o-transcribe`, `whisper-1`, `gpt-realtime-whisper`.
        language: ISO 639-1, e.g. "en".
        prompt: Guidance; for `whisper-1` a list of keywords. `gpt-realtime-whisper` refuses it.
    """

    model: str = "gpt-4o-transcribe"
    language: str | None = None
    prompt: str | None = None


class InputAudioNoiseReduction(_Settings):
    """Noise reduction before turn detection and model: a headset is near, a conference room far.

    Attributes:
        strength: Higher suppresses more; left out, the server keeps what it has.
    """

    type: Literal["near_field", "far_field"]
    strength: float | None = Field(default=None, ge=0)


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


class AudioInput(_Settings):
    """What is done with the user's sound."""

    format: AudioFormat | None = None
    transcription: InputAudioTranscription | None = None
    noise_reduction: InputAudioNoiseReduction | None = None
    turn_detection: (
        Annotated[TurnDetection | SemanticTurnDetection, Field(discriminator="type")] | Literal[False] | None
    ) = None


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
    voice: str | CustomVoice | None = None
    speed: float | None = Field(default=None, ge=0.25, le=1.5)


class AudioConfiguration(_Settings):
    """Sound, both ways."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


class Reasoning(_Settings):
    """How long the model thinks; the `gpt-realtime-2` family only."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


class NamedTool(_Settings):
    """One function, or one server's tools, that the model must use."""

    type: Literal["function", "mcp"]
    name: str | None = None
    server_label: str | None = None


class TokenLimits(_Settings):
    """Bounds for what is kept when old items are dropped."""

    post_instructions: int = Field(gt=0)


class RetentionRatio(_Settings):
    """Dropping old items in one go, down to a share of the allowed tokens, which keeps the cache useful for longer."""

    type: Literal["retention_ratio"] = "retention_ratio"
    retention_ratio: float = Field(ge=0.0, le=1.0)
    token_limits: TokenLimits | None = None


class SessionProperties(_Settings):
    """All that can be said about a session.

    Attributes:
        output_modalities: `["audio"]` or `["text"]`; the API refuses both at once. `["audio", "text"]`, which older
            bots pass, is taken as audio, whose transcript comes along anyway.
        tools: Function tools in the wire's flat shape, or MCP servers.
        max_output_tokens: 1 to 4096, or "inf".
        tracing: "auto", or a mapping with `workflow_name`, `group_id`, `metadata`.
        truncation: What happens when the context overflows.
    """

    output_modalities: list[Literal["text", "audio"]] | None = Field(default=None, min_length=1)
    instructions: str | None = None
    audio: AudioConfiguration | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None
    tracing: Literal["auto"] | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    include: list[str] | None = None
