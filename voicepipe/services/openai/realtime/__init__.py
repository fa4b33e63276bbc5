"""OpenAI's Realtime API over the GA wire."""

from voicepipe.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.service import OpenAIRealtimeLLMService, OpenAIRealtimeLLMSettings
from voicepipe.services.openai.realtime.session import OpenAIRealtimeSession

__all__ = [
    "AudioConfiguration",
    "AudioInput",
    "AudioOutput",
    "InputAudioNoiseReduction",
    "InputAudioTranscription",
    "OpenAIRealtimeLLMService",
    "OpenAIRealtimeLLMSettings",
    "OpenAIRealtimeSession",
    "SemanticTurnDetection",
    "SessionProperties",
    "TurnDetection",
]
