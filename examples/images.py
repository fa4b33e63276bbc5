"""The model looks at a picture: it goes through the pipeline as a frame, before the question about it."""

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
from voicepipe.frames import UserImageRawFrame
from voicepipe.pipeline import PipelineWorker

SIZE = (64, 48)
RED = b"\xff\x00\x00" * (SIZE[0] * SIZE[1])
"""RGB, as a camera's frame has it."""


async def show(worker: PipelineWorker) -> None:
    await worker.queue_frame(UserImageRawFrame(RED, SIZE, "RGB", text="A camera's picture.", run_llm=False))


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("What do you see?"), answer_path=answer)
        llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
        pipeline = Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
        await run(pipeline, on_started=show)


if __name__ == "__main__":
    asyncio.run(main())
