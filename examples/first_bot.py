"""A bot at its smallest: a spoken question in, a spoken answer out, both as WAV files."""

import asyncio
import sys

from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)


async def main(question: str | None = None, answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(question or openai.spoken("Who are you?"), answer_path=answer)
        llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    print(f"{result.reason}; the answer is in {answer}")


if __name__ == "__main__":
    asyncio.run(main(*(argument for argument in sys.argv[1:] if argument != "--local")))
