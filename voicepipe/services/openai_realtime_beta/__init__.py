"""OpenAI's Realtime API over the beta wire."""

from voicepipe.services.openai_realtime_beta.context import OpenAIRealtimeLLMContext
from voicepipe.services.openai_realtime_beta.events import (
    AudioFormat,
    ConversationItem,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    NamedTool,
    SemanticTurnDetection,
    SessionProperties,
    StoredPrompt,
    Tracing,
    TurnDetection,
)
from voicepipe.services.openai_realtime_beta.service import OpenAIRealtimeBetaLLMService
from voicepipe.services.openai_realtime_beta.settings import OpenAIRealtimeBetaLLMSettings

__all__ = [
    "AudioFormat",
    "ConversationItem",
    "InputAudioNoiseReduction",
    "InputAudioTranscription",
    "NamedTool",
    "OpenAIRealtimeBetaLLMService",
    "OpenAIRealtimeBetaLLMSettings",
    "OpenAIRealtimeLLMContext",
    "SemanticTurnDetection",
    "SessionProperties",
    "StoredPrompt",
    "Tracing",
    "TurnDetection",
]
