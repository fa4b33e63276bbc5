"""The pipeline decides turns, not the server: here whoever is quiet for half a second has finished."""

import asyncio
import sys

import numpy as np
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.frames import Frame, InputAudioRawFrame, UserStartedSpeakingFrame, UserStoppedSpeakingFrame
from voicepipe.services.openai.realtime import AudioConfiguration, AudioInput, SessionProperties


class HalfASecond(FrameProcessor):
    """Says when a turn begins and when it ends. A push-to-talk button is simpler still."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_ms = 0.0
        self._speaks = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            is_loud = int(np.abs(np.frombuffer(frame.audio, np.int16).astype(int)).max(initial=0)) > 500
            self._quiet_ms = 0.0 if is_loud else self._quiet_ms + 1000 * frame.num_frames / frame.sample_rate
            if is_loud and not self._speaks:
                self._speaks = True
                await self.push_frame(UserStartedSpeakingFrame())
        await self.push_frame(frame, direction)
        if self._speaks and self._quiet_ms >= 500:
            self._speaks = False
            await self.push_frame(UserStoppedSpeakingFrame())


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("Spell cat."), answer_path=answer)
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(
                audio=AudioConfiguration(input=AudioInput(turn_detection=False))
            ),
        )
        chain = [transport.input(), AudioResampler(), HalfASecond(), llm, transport.output()]
        await run(Pipeline(chain))


if __name__ == "__main__":
    asyncio.run(main())
