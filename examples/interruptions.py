"""Who may interrupt the bot: nobody, only who speaks for long enough, or only who says enough words."""

import asyncio
import sys

from voicepipe import (
    AudioResampler,
    Interruptions,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.offline import OpenAIPlace
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)
from voicepipe.transports.wav_file import Question

POLICIES = {
    "anybody": Interruptions(),
    "nobody": Interruptions(allowed=False),
    "who says two words": Interruptions(min_words=2),
}


async def cuts(openai: OpenAIPlace, policy: Interruptions) -> int:
    """How often an "okay", said into the answer, cuts it."""
    okay = Question(openai.spoken("Okay."), barge_in_after_ms=800)
    transport = WavFileTransport([openai.spoken("Count to ten."), okay], answer_timeout_secs=1.5)
    transcribed = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
    llm = OpenAIRealtimeLLMService(
        api_key=openai.api_key,
        base_url=openai.base_url,
        session_properties=SessionProperties(audio=transcribed),
        interruptions=policy,
    )
    await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    return len(transport.cuts)


async def main() -> None:
    async with openai_or_local(local="--local" in sys.argv) as openai:
        for name, policy in POLICIES.items():
            print(f"{name} may interrupt: cut {await cuts(openai, policy)} times")


if __name__ == "__main__":
    asyncio.run(main())
