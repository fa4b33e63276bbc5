"""What a call costs, while it runs, and an end to it when it has cost enough."""

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
from voicepipe.frames import EndFrame
from voicepipe.pipeline import PipelineWorker
from voicepipe.telemetry import CallMeter, CallNotes, CallObserver


async def main(cap: str = "0.001", answer: str = "answer.wav") -> CallNotes:
    reached = asyncio.Event()

    async def end_at_cap(worker: PipelineWorker) -> None:
        await reached.wait()
        await worker.queue_frame(EndFrame(reason=f"the call cost ${cap}"))

    async with openai_or_local(local="--local" in sys.argv) as openai:
        questions = [openai.spoken("Count to ten."), openai.spoken("Hello."), openai.spoken("Hello.")]
        transport = WavFileTransport(questions, answer_path=answer)
        llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
        notes, meter = CallNotes(), CallMeter(cap=cap, on_cap=lambda _account: reached.set())
        result = await run(
            Pipeline([transport.input(), AudioResampler(), llm, transport.output()]),
            observers=[CallObserver(notes, meter)],
            on_started=end_at_cap,
        )
    print(f"{result.reason} after {len(notes.turns)} turns: {result.detail or 'the cap was not reached'}")
    return notes


if __name__ == "__main__":
    asyncio.run(main())
