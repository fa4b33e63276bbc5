"""The same bot on three realtime APIs: only the line that makes the service differs. All three run offline here."""

import asyncio
import os
from contextlib import AsyncExitStack

from voicepipe import (
    AudioResampler,
    ElevenLabsConvAIService,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    run,
)
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
from voicepipe.local.speech.engines import speech_engine
from voicepipe.offline import OpenAIPlace
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.transports.sound import Sound, read_wav


async def bot(llm: RealtimeService, question: Sound, answer: str) -> None:
    transport = WavFileTransport(question, answer_path=answer)
    await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))


async def main() -> dict[str, str]:
    speech, brain = speech_engine(os.getenv("VOICEPIPE_SPEECH", "local")), ScriptBrain()
    caller = OpenAIPlace("", "", is_local=True, speech=speech)
    said: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        ga = await stack.enter_async_context(LocalServer(speech=speech, brain=brain))
        beta = await stack.enter_async_context(LocalServer(speech=speech, brain=brain, wire="beta"))
        convai = await stack.enter_async_context(
            LocalElevenLabsServer([Agent("agent_1")], speech=speech, brain=brain)
        )
        services = {
            "openai": OpenAIRealtimeLLMService(api_key="any", base_url=ga.url),
            "openai-beta": OpenAIRealtimeBetaLLMService(api_key="any", base_url=beta.url),
            "elevenlabs": ElevenLabsConvAIService(
                api_key="any", agent_id="agent_1", base_url=convai.api_url, use_signed_url=False
            ),
        }
        for name, llm in services.items():
            await bot(llm, caller.spoken("Spell cat."), f"{name}.wav")
            said[name] = caller.understood(read_wav(f"{name}.wav"))
            print(f"{name}: {said[name]}")
    return said


if __name__ == "__main__":
    asyncio.run(main())
