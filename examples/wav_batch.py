"""Many calls at once, each from a WAV file of its own: a regression run over recordings."""

import asyncio
import sys
from pathlib import Path

from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)
from voicepipe.offline import OpenAIPlace
from voicepipe.transports.sound import read_wav

AT_ONCE = asyncio.Semaphore(4)


async def answered(openai: OpenAIPlace, question: Path) -> str:
    """Ask one file's question; returns the words of the answer, which is written beside it."""
    answer = question.with_suffix(".answer.wav")
    async with AT_ONCE:
        transport = WavFileTransport(question, answer_path=answer)
        llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
        pipeline = Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
        await run(pipeline, handle_signals=False)
    return openai.understood(read_wav(answer))


async def main(folder: str) -> dict[str, str]:
    questions = sorted(path for path in Path(folder).glob("*.wav") if not path.stem.endswith(".answer"))
    async with openai_or_local(local="--local" in sys.argv) as openai:
        answers = await asyncio.gather(*(answered(openai, question) for question in questions))
    said = {question.name: answer for question, answer in zip(questions, answers, strict=True)}
    for name, answer in said.items():
        print(f"{name}: {answer}")
    return said


if __name__ == "__main__":
    asyncio.run(main(*(argument for argument in sys.argv[1:] if argument != "--local")))
