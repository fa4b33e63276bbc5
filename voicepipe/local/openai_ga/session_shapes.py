"""The settings of a session as a client may send them, to the letter (protocol page, sections 3 to 5, 7); see `shapes`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Fields: TypeAlias = dict[str, Any]


class Shape(BaseModel):
    """A part of a message: unknown fields are refused, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> Fields:
        """Return the fields that the client gave, in the wire's shape; those it left out are missing."""
        return self.model_dump(exclude_unset=True)


class PcmFormat(Shape):
    """The one that is not coded: s16le at 24 kHz."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class _MulawFormat(Shape):
    type: Literal["audio/pcmu"]


class _AlawFormat(Shape):
    type: Literal["audio/pcma"]


Format: TypeAlias = Annotated[PcmFormat | _MulawFormat | _AlawFormat, Field(discriminator="type")]


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
    format: Format = PcmFormat()
    transcription: _Transcription | None = None
    noise_reduction: _NoiseReduction | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = ServerVad()


class _CustomVoice(Shape):
    id: str


Voice: TypeAlias = (
    Literal["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]
    | _CustomVoice
)


class _AudioOutput(Shape):
    format: Format = PcmFormat()
    voice: Voice = "marin"
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
Modalities: TypeAlias = Annotated[list[Literal["audio", "text"]], Field(min_length=1, max_length=1)]


class Reasoning(Shape):
    """How long a model that thinks may do so."""

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
    output_modalities: Modalities = ["audio"]
    instructions: str = (
        "You are a helpful, friendly assistant who speaks with a person. Answer briefly and naturally."
    )
    audio: _Audio = _Audio()
    tools: Tools = []
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    parallel_tool_calls: bool = True
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | _Retention = "auto"
    tracing: Literal["auto"] | Tracing | None = None
    prompt: Prompt | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
