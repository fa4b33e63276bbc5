"""OpenAI's engine with all of its fields, and its names for editors (seed S001)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from loguru import logger

from voicepipe.phone.engines.engine import Bot, Brief
from voicepipe.phone.engines.openai import Detection, OpenAIRealtime, ReasoningEffort


class OpenAIRealtimeModel(StrEnum):
    """Models that converse. `gpt-realtime-translate` is none of them: it never answers."""

    GPT_REALTIME_MINI = "gpt-realtime-mini"
    GPT_REALTIME = "gpt-realtime"
    GPT_REALTIME_2 = "gpt-realtime-2"
    GPT_4O_REALTIME_PREVIEW = "gpt-4o-realtime-preview"
    GPT_4O_MINI_REALTIME_PREVIEW = "gpt-4o-mini-realtime-preview"


class OpenAITranscriptionModel(StrEnum):
    """Models that transcribe the caller beside the conversation."""

    WHISPER_1 = "whisper-1"
    GPT_4O_TRANSCRIBE = "gpt-4o-transcribe"
    GPT_4O_MINI_TRANSCRIBE = "gpt-4o-mini-transcribe"
    GPT_REALTIME_WHISPER = "gpt-realtime-whisper"


@dataclass(frozen=True)
class OpenAIRealtimeAdapter:
    """The same as `OpenAIRealtime`, with instructions of its own.

    Parameters:
        api_key: `OPENAI_API_KEY` if empty.
        model: See `OpenAIRealtime`.
        voice: See `OpenAIRealtime`.
        instructions: Used if the agent has no system prompt.
        input_audio_transcription_model: See `OpenAIRealtime`.
        reasoning_effort: See `OpenAIRealtime`.
        transcription_language: See `OpenAIRealtime`.
        noise_reduction: See `OpenAIRealtime`.
        turn_detection: See `OpenAIRealtime`.
        gate_response_on_transcript: See `OpenAIRealtime`.
        audio: See `OpenAIRealtime`.
        base_url: See `OpenAIRealtime`.
        strict: See `OpenAIRealtime`.
        options: See `OpenAIRealtime`.

    Raises:
        SettingsError: As `OpenAIRealtime`.
    """

    api_key: str = field(default="", repr=False)
    model: str = "gpt-realtime-mini"
    voice: str = "alloy"
    instructions: str = ""
    input_audio_transcription_model: str | None = None
    reasoning_effort: ReasoningEffort | None = None
    transcription_language: str | None = None
    noise_reduction: Literal["near_field", "far_field"] | None = None
    turn_detection: Detection = None
    gate_response_on_transcript: bool = False
    audio: Literal["pcm", "g711"] = "pcm"
    base_url: str = ""
    strict: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    kind: str = field(default="openai_realtime", init=False, repr=False)
    _engine: OpenAIRealtime = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        engine = OpenAIRealtime(
            api_key=self.api_key,
            voice=self.voice,
            model=self.model,
            reasoning_effort=self.reasoning_effort,
            input_audio_transcription_model=self.input_audio_transcription_model,
            transcription_language=self.transcription_language,
            noise_reduction=self.noise_reduction,
            turn_detection=self.turn_detection,
            gate_response_on_transcript=self.gate_response_on_transcript,
            audio=self.audio,
            base_url=self.base_url,
            strict=self.strict,
            options=self.options,
        )
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "api_key", engine.api_key)

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call."""
        if not brief.system_prompt:
            brief = replace(brief, system_prompt=self.instructions)
        elif self.instructions and self.instructions != brief.system_prompt:
            logger.warning("instructions: the agent's system_prompt is used, not the adapter's instructions")
        return self._engine.bot(brief)


@dataclass(frozen=True)
class OpenAIRealtime2Adapter(OpenAIRealtimeAdapter):
    """The same, with the model that thinks."""

    model: str = "gpt-realtime-2"

    kind: str = field(default="openai_realtime_2", init=False, repr=False)


__all__ = [
    "OpenAIRealtime2Adapter",
    "OpenAIRealtimeAdapter",
    "OpenAIRealtimeModel",
    "OpenAITranscriptionModel",
]
