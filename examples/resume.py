"""The connection breaks in the middle of an answer, and the conversation goes on over the next one."""

import asyncio

from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.local import Fault, Faults
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)

DROP = Faults([Fault(at="response.output_audio.delta", nth=2, do="drop")])


async def main(answer: str = "answer.wav") -> None:
    # The local server cuts its own line, so this one stays local even if there is a key.
    async with openai_or_local(local=True, faults=DROP) as openai:
        questions = [openai.spoken("Spell voicepipe."), openai.spoken("What did you say?")]
        transport = WavFileTransport(questions, answer_path=answer)
        transcribed = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key,
            base_url=openai.base_url,
            session_properties=SessionProperties(audio=transcribed),
        )

        @llm.event_handler("on_disconnected")
        async def disconnected(_llm: OpenAIRealtimeLLMService, reason: str) -> None:
            print(f"the connection broke: {reason}")

        @llm.event_handler("on_resumed")
        async def resumed(_llm: OpenAIRealtimeLLMService) -> None:
            print("the next one knows what was said")

        await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))


if __name__ == "__main__":
    asyncio.run(main())
