"""Pipecat's context aggregators around the service: they keep what was said, as text, while the model hears and speaks."""

import asyncio
import sys

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)


async def main(answer: str = "answer.wav") -> list[dict]:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("Hello."), answer_path=answer)
        transcribed = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(audio=transcribed),
        )
        context = LLMContext([{"role": "developer", "content": "You are a friendly bot."}])
        user, assistant = LLMContextAggregatorPair(context)
        chain = [transport.input(), AudioResampler(), user, llm, transport.output(), assistant]
        await run(Pipeline(chain))
    for message in context.messages:
        print(f"{message['role']}: {message['content']}")
    return context.messages


if __name__ == "__main__":
    asyncio.run(main())
