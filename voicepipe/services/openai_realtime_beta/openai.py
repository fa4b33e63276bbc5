"""The service, under the module's name that Pipecat had for it."""

from voicepipe.services.openai_realtime_beta.service import OpenAIRealtimeBetaLLMService

__all__ = ["OpenAIRealtimeBetaLLMService"]
