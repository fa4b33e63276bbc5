"""voicepipe: speech-to-speech bots as a pipeline of frames, standing on Pipecat.

Names are loaded when they are first used, so that `import voicepipe` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicepipe.audio.resampler import AudioResampler
    from voicepipe.pipeline import Pipeline, RunResult, run
    from voicepipe.realtime.fillers import Filler
    from voicepipe.realtime.interruptions import Interruptions
    from voicepipe.realtime.link import Reconnect
    from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
    from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
    from voicepipe.transports.telephony import TelephonyTransport
    from voicepipe.transports.wav_file import WavFileTransport

__version__ = "0.1.0"

_HOME = {
    "AudioResampler": "voicepipe.audio.resampler",
    "ElevenLabsConvAIService": "voicepipe.services.elevenlabs.convai",
    "Filler": "voicepipe.realtime.fillers",
    "Interruptions": "voicepipe.realtime.interruptions",
    "OpenAIRealtimeLLMService": "voicepipe.services.openai.realtime",
    "Pipeline": "voicepipe.pipeline",
    "Reconnect": "voicepipe.realtime.link",
    "RunResult": "voicepipe.pipeline",
    "TelephonyTransport": "voicepipe.transports.telephony",
    "WavFileTransport": "voicepipe.transports.wav_file",
    "run": "voicepipe.pipeline",
}

__all__ = [
    "AudioResampler",
    "ElevenLabsConvAIService",
    "Filler",
    "Interruptions",
    "OpenAIRealtimeLLMService",
    "Pipeline",
    "Reconnect",
    "RunResult",
    "TelephonyTransport",
    "WavFileTransport",
    "__version__",
    "run",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'voicepipe' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
