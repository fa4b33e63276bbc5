"""Settings change in the middle of a call: a frame names what is to be different, and the rest stays."""

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
from voicepipe.frames import Frame, LLMFullResponseEndFrame, LLMUpdateSettingsFrame
from voicepipe.services.openai.realtime import SessionProperties


class AfterTheFirstAnswer(FrameProcessor):
    """Sends a change of settings upstream, once."""

    def __init__(self, settings: dict) -> None:
        super().__init__()
        self._settings = settings

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame) and self._settings:
            change, self._settings = LLMUpdateSettingsFrame(settings=self._settings), {}
            await self.push_frame(change, FrameDirection.UPSTREAM)


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport([openai.spoken("Hello."), openai.spoken("Hi.")], answer_path=answer)
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(instructions="Answer in English."),
        )
        change = AfterTheFirstAnswer({"instructions": "Answer in Spanish.", "max_output_tokens": 512})
        await run(Pipeline([transport.input(), AudioResampler(), llm, change, transport.output()]))
        print(llm.session_properties.instructions, llm.session_properties.max_output_tokens)


if __name__ == "__main__":
    asyncio.run(main())
