"""A processor of your own in the chain: this one hears every word the bot says and stops at one it must not say."""

import asyncio
import sys

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.frames import Frame, InterruptionWorkerFrame, LLMTextFrame


class Censor(FrameProcessor):
    """Interrupts the bot at a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.has_stopped = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMTextFrame) and self._word in frame.text and not self.has_stopped:
            self.has_stopped = True
            await self.push_frame(InterruptionWorkerFrame(), FrameDirection.UPSTREAM)


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("Count to twenty."), answer_path=answer)
        llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
        chain = [transport.input(), AudioResampler(), llm, Censor("thirteen"), transport.output()]
        await run(Pipeline(chain))


if __name__ == "__main__":
    asyncio.run(main())
