"""The bot of `voicepipe run` and `voicepipe talk` where no file is named; a `bot.py` looks like this file."""

from __future__ import annotations

from pipecat.services.llm_service import FunctionCallParams
from pipecat.transports.base_transport import BaseTransport

from voicepipe.audio.resampler import AudioResampler
from voicepipe.offline import OpenAIPlace
from voicepipe.pipeline import Pipeline
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
)

_WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def _get_weather(params: FunctionCallParams) -> None:
    city = str(params.arguments.get("city", ""))
    await params.result_callback({"city": city, "temperature": 18, "conditions": "a clear sky"})


def bot(transport: BaseTransport, openai: OpenAIPlace) -> Pipeline:
    """Return the pipeline of one conversation."""
    llm = OpenAIRealtimeLLMService(
        api_key=openai.api_key,
        base_url=openai.base_url,
        session_properties=SessionProperties(
            instructions="You are a friendly assistant. Answer in one or two short sentences.",
            audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription())),
            tools=[_WEATHER_TOOL],
        ),
    )
    llm.register_function("get_weather", _get_weather)
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
