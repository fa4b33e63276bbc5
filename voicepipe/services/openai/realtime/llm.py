"""The service under the name of the module that Pipecat has it in, so that moving a bot over is one edit an import."""

from voicepipe.services.openai.realtime.service import OpenAIRealtimeLLMService, OpenAIRealtimeLLMSettings

__all__ = ["OpenAIRealtimeLLMService", "OpenAIRealtimeLLMSettings"]
