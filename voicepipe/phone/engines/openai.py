"""OpenAI's Realtime API as an engine (seeds S000 and S001). `Realtime` and `OpenAIRealtime` are the same class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from loguru import logger

from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import SettingsError
from voicepipe.phone.credentials import from_environment
from voicepipe.phone.engines.engine import Bot, Brief, said_first
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    PCMAudioFormat,
    PCMUAudioFormat,
    Reasoning,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.access import DEFAULT_URL
from voicepipe.services.openai.realtime.models import refuse_what_does_not_converse

ReasoningEffort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]
Detection: TypeAlias = TurnDetection | SemanticTurnDetection | bool | Mapping[str, Any] | None

_NEAREST: Final[Mapping[str, str]] = {"fable": "ballad", "nova": "coral", "onyx": "ash"}
"""Voices that the document lists and the Realtime API does not have, each with one of its own (contradiction C6)."""


@dataclass(frozen=True)
class OpenAIRealtime:
    """OpenAI's Realtime API over the GA wire.

    Parameters:
        api_key: `OPENAI_API_KEY` if empty.
        voice: One of the API's; in place of `fable`, `nova` and `onyx`, which it lacks, the nearest, with a warning.
        model: Any that converses. What a model cannot take is left out, with a warning.
        reasoning_effort: How long a model of the `gpt-realtime-2` family thinks; None leaves it to the server.
        input_audio_transcription_model: Transcribes the caller; None is `whisper-1`.
        transcription_language: Of the caller, e.g. `en`.
        noise_reduction: `near_field` or `far_field`.
        turn_detection: How the end of a turn is found; None leaves it to the server.
        gate_response_on_transcript: Whether an answer waits for the transcript of what it answers.
        audio: `pcm` is 24 kHz with transcoding to the line, `g711` the line's own coding both ways.
        base_url: Where the API is; `OPENAI_REALTIME_URL`, or OpenAI's own, if empty.
        strict: Whether what a model cannot take is an error.
        options: Further arguments of `OpenAIRealtimeLLMService`.

    Raises:
        SettingsError: There is no key, `model` does not converse, or, if strict, the voice is none.
        pydantic.ValidationError: Another field has a value that the API does not know.
    """

    api_key: str = field(default="", repr=False)
    voice: str = "alloy"
    model: str = "gpt-realtime-mini"
    reasoning_effort: ReasoningEffort | None = None
    input_audio_transcription_model: str | None = None
    transcription_language: str | None = None
    noise_reduction: Literal["near_field", "far_field"] | None = None
    turn_detection: Detection = None
    gate_response_on_transcript: bool = False
    audio: Literal["pcm", "g711"] = "pcm"
    base_url: str = ""
    strict: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    kind: str = field(default="openai_realtime", init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", from_environment("api_key", self.api_key, "OPENAI_API_KEY"))
        # A StrEnum is a str, but writes itself otherwise in places.
        object.__setattr__(self, "model", str(self.model))
        refuse_what_does_not_converse(self.model)
        if self.audio not in ("pcm", "g711"):
            raise SettingsError("audio", f"{self.audio!r} is neither 'pcm' nor 'g711'")
        object.__setattr__(self, "voice", _voice(self.voice, strict=self.strict))
        self._properties(Brief("", "", ()))

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call."""
        url = self.base_url or os.environ.get("OPENAI_REALTIME_URL", "") or DEFAULT_URL
        service = OpenAIRealtimeLLMService(
            api_key=self.api_key,
            model=self.model,
            base_url=url,
            session_properties=self._properties(brief),
            strict=self.strict,
            **self.options,
        )
        return Bot(
            ears=[AudioResampler()] if self.audio == "pcm" else [],
            mouth=[service],
            opening=said_first(brief.first_message),
            answers_on_request=self._waits_for_words(brief),
        )

    def _waits_for_words(self, brief: Brief) -> bool:
        return self.gate_response_on_transcript or brief.needs_words

    def _properties(self, brief: Brief) -> SessionProperties:
        line = PCMAudioFormat() if self.audio == "pcm" else PCMUAudioFormat()
        noise = self.noise_reduction
        tools: Any = list(brief.tools) or None
        return SessionProperties(
            instructions=brief.system_prompt or None,
            tools=tools,
            reasoning=Reasoning(effort=self.reasoning_effort) if self.reasoning_effort else None,
            audio=AudioConfiguration(
                input=AudioInput(
                    format=line,
                    transcription=InputAudioTranscription(
                        model=str(self.input_audio_transcription_model or "whisper-1"),
                        language=self.transcription_language,
                    ),
                    noise_reduction=InputAudioNoiseReduction(type=noise) if noise else None,
                    turn_detection=self._turn_detection(brief),
                ),
                output=AudioOutput(format=line, voice=self.voice),
            ),
        )

    def _turn_detection(self, brief: Brief) -> Any:
        if not self._waits_for_words(brief):
            return self.turn_detection
        given = AudioInput.model_validate({"turn_detection": self.turn_detection}).turn_detection
        detection = given or TurnDetection()
        return detection.model_copy(update={"create_response": False})


Realtime = OpenAIRealtime


def _voice(voice: str, *, strict: bool) -> str:
    if voice not in _NEAREST:
        return voice
    if strict:
        raise SettingsError("voice", f"{voice!r} is no voice of the Realtime API")
    nearest = _NEAREST[voice]
    logger.warning(f"voice: {voice!r} is no voice of the Realtime API; {nearest!r} speaks instead")
    return nearest
