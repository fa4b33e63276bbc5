"""ElevenLabs' Conversational AI: an agent as one processor."""

from voicepipe.services.elevenlabs.convai.access import DEFAULT_URL, RESIDENCIES
from voicepipe.services.elevenlabs.convai.events import (
    AgentOverride,
    ASROverride,
    ConversationOverride,
    ConversationSettings,
    Overrides,
    PromptOverride,
    SoftTimeoutConfig,
    ToolMockConfig,
    TTSOverride,
    TurnOverride,
)
from voicepipe.services.elevenlabs.convai.service import ElevenLabsConvAIService, ElevenLabsConvAISettings
from voicepipe.services.elevenlabs.convai.session import ElevenLabsConvAISession

__all__ = [
    "DEFAULT_URL",
    "RESIDENCIES",
    "ASROverride",
    "AgentOverride",
    "ConversationOverride",
    "ConversationSettings",
    "ElevenLabsConvAIService",
    "ElevenLabsConvAISession",
    "ElevenLabsConvAISettings",
    "Overrides",
    "PromptOverride",
    "SoftTimeoutConfig",
    "TTSOverride",
    "ToolMockConfig",
    "TurnOverride",
]
