"""The engines of a phone's agents, by flat names; `engines.openai.Realtime` and so on are the same classes."""

from voicepipe.phone.engines import elevenlabs, openai, openai_realtime_2
from voicepipe.phone.engines.elevenlabs import ElevenLabsConvAI
from voicepipe.phone.engines.engine import Bot, Brief, Engine
from voicepipe.phone.engines.openai import OpenAIRealtime
from voicepipe.phone.engines.openai_realtime_2 import OpenAIRealtime2
from voicepipe.phone.engines.pipelines import PipelineEngine, ServiceEngine

__all__ = [
    "Bot",
    "Brief",
    "ElevenLabsConvAI",
    "Engine",
    "OpenAIRealtime",
    "OpenAIRealtime2",
    "PipelineEngine",
    "ServiceEngine",
    "elevenlabs",
    "openai",
    "openai_realtime_2",
]
