"""The model calls a function of yours: its type hints and docstring are all the model is told of it."""

import asyncio
import sys

from pipecat.services.llm_service import FunctionCallParams
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.services.openai.realtime import SessionProperties


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """The weather in a city, now.

    Args:
        params: Of the call.
        city: The city's name.
    """
    print(f"get_weather({city!r})")
    await params.result_callback({"city": city, "temperature": 21, "conditions": "fog"})


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("What is the weather in Paris?"), answer_path=answer)
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(tools=[get_weather]),
        )
        await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))


if __name__ == "__main__":
    asyncio.run(main())
