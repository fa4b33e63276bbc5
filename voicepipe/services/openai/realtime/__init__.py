"""OpenAI's Realtime API over the GA wire."""

from voicepipe.services.openai.realtime.access import ApiKey
from voicepipe.services.openai.realtime.events import (
    AudioConfiguration,
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    NamedTool,
    PCMAAudioFormat,
    PCMAudioFormat,
    PCMUAudioFormat,
    Reasoning,
    RetentionRatio,
    SemanticTurnDetection,
    SessionProperties,
    StoredPrompt,
    TokenLimits,
    Tracing,
    TurnDetection,
)
from voicepipe.services.openai.realtime.models import (
    Capabilities,
    TranscriptionCapabilities,
    capabilities_of,
    transcription_capabilities_of,
)
from voicepipe.services.openai.realtime.service import OpenAIRealtimeLLMService, OpenAIRealtimeLLMSettings
from voicepipe.services.openai.realtime.session import OpenAIRealtimeSession

__all__ = [
    "ApiKey",
    "AudioConfiguration",
    "AudioFormat",
    "AudioInput",
    "AudioOutput",
    "Capabilities",
    "CustomVoice",
    "InputAudioNoiseReduction",
    "InputAudioTranscription",
    "NamedTool",
    "OpenAIRealtimeLLMService",
    "OpenAIRealtimeLLMSettings",
    "OpenAIRealtimeSession",
    "PCMAAudioFormat",
    "PCMAudioFormat",
    "PCMUAudioFormat",
    "Reasoning",
    "RetentionRatio",
    "SemanticTurnDetection",
    "SessionProperties",
    "StoredPrompt",
    "TokenLimits",
    "Tracing",
    "TranscriptionCapabilities",
    "TurnDetection",
    "capabilities_of",
    "transcription_capabilities_of",
]
