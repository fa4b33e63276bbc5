"""The model answers in text and another voice speaks it: any TTS service of Pipecat's stands behind the model."""

import asyncio
import sys
from collections.abc import AsyncGenerator

from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.frames import Frame, TTSAudioRawFrame
from voicepipe.offline import OpenAIPlace
from voicepipe.services.openai.realtime import SessionProperties


class LocalVoice(TTSService):
    """The voice that comes with voicepipe; `CartesiaTTSService` and its like take this place."""

    def __init__(self, openai: OpenAIPlace) -> None:
        settings = TTSSettings(model="local", voice="local", language=None)
        super().__init__(settings=settings, push_start_frame=True, push_stop_frames=True, sample_rate=24000)
        self._openai = openai

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        sound = self._openai.spoken(text)
        yield TTSAudioRawFrame(sound.pcm, sound.sample_rate, 1, context_id=context_id)


async def main(answer: str = "answer.wav") -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        transport = WavFileTransport(openai.spoken("Spell cat."), answer_path=answer)
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(output_modalities=["text"]),
        )
        voice = LocalVoice(openai)
        await run(Pipeline([transport.input(), AudioResampler(), llm, voice, transport.output()]))


if __name__ == "__main__":
    asyncio.run(main())
