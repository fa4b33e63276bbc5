"""A bot to talk with in the browser: `voicepipe run examples/browser_bot.py`, or in the terminal: `voicepipe talk ...`."""

from pipecat.services.llm_service import FunctionCallParams
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """The weather in a city, now.

    Args:
        params: Of the call.
        city: The city's name.
    """
    await params.result_callback({"city": city, "temperature": 18, "conditions": "a clear sky"})


def bot(transport, openai) -> Pipeline:
    """The pipeline of one conversation; called again for each."""
    llm = OpenAIRealtimeLLMService(
        api_key=openai.api_key,
        base_url=openai.base_url,
        session_properties=SessionProperties(
            instructions="You are a friendly assistant. Answer in one or two short sentences.",
            # The transcription is what the page shows of your words.
            audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription())),
            tools=[get_weather],
        ),
    )
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
