"""A caller in a running pipeline, who keeps the line open with silence, speaks, and notices what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from tests.support.tones import spoken
from voicepipe.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.pipeline import Pipeline, PipelineWorker, RunResult, run

BRACKETS = (
    (LLMFullResponseStartFrame, LLMFullResponseEndFrame),
    (TTSStartedFrame, TTSStoppedFrame),
    (UserStartedSpeakingFrame, UserStoppedSpeakingFrame),
)
_KEPT = (*(frame for pair in BRACKETS for frame in pair), TTSTextFrame, ErrorFrame)


class Watch(FrameProcessor):
    """Keeps what matters of what goes downstream, and lets wait for it."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.frames: list[Frame] = []
        self.audio_bytes = 0
        self._news = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction == FrameDirection.DOWNSTREAM:
            if isinstance(frame, TTSAudioRawFrame):
                self.audio_bytes += len(frame.audio)
                self.notify()
            elif isinstance(frame, _KEPT):
                self.frames.append(frame)
                self.notify()
        await self.push_frame(frame, direction)

    def notify(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._news.wait()

    async def until_next(self, type_: type[Frame]) -> None:
        before = self.count(type_)
        await self.until(lambda: self.count(type_) > before)

    def count(self, type_: type[Frame]) -> int:
        return sum(isinstance(frame, type_) for frame in self.frames)

    def text(self, since: int = 0) -> str:
        return "".join(frame.text for frame in self.frames[since:] if isinstance(frame, TTSTextFrame))

    def unbalanced(self) -> list[str]:
        """Return what is wrong with the brackets; nothing is what there should be."""
        wrong: list[str] = []
        for opens, closes in BRACKETS:
            depth = 0
            for frame in self.frames:
                depth += isinstance(frame, opens) - isinstance(frame, closes)
                if depth not in (0, 1):
                    wrong.append(f"{opens.__name__} and {closes.__name__} do not alternate")
                    break
            if depth == 1 and opens is not UserStartedSpeakingFrame:
                wrong.append(f"{opens.__name__} is not closed")
        return wrong


class Conversation:
    """One call without a telephone: sound goes into the pipeline in chunks, at its own pace."""

    def __init__(self, worker: PipelineWorker, watch: Watch, chunk_ms: int, sample_rate: int) -> None:
        self.watch = watch
        self.result: RunResult | None = None
        self._worker = worker
        self._chunk_secs = chunk_ms / 1000
        self._sample_rate = sample_rate
        self._chunk = bytes(2 * sample_rate * chunk_ms // 1000)
        self._to_say = bytearray()
        self._said = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        return self.result is not None

    def begin_to_say(self, text: str) -> None:
        self._to_say += spoken(text, self._sample_rate).pcm
        self._said.clear()

    async def say(self, text: str) -> None:
        self.begin_to_say(text)
        await self._said.wait()

    async def hang_up(self) -> None:
        await self._worker.queue_frame(EndFrame())

    async def cancel(self) -> None:
        await self._worker.cancel()

    async def keep_the_line_open(self) -> None:
        clock, begun = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
        number = 0
        while not self.has_ended:
            chunk = bytes(self._to_say[: len(self._chunk)])
            del self._to_say[: len(self._chunk)]
            if not self._to_say:
                self._said.set()
            pcm = chunk + self._chunk[len(chunk) :]
            await self._worker.queue_frame(InputAudioRawFrame(pcm, self._sample_rate, 1))
            number += 1
            await asyncio.sleep(max(0.0, begun + number * self._chunk_secs - clock()))

    async def live(self) -> None:
        self.result = await run(self._worker, handle_signals=False)
        self._said.set()
        self.watch.notify()


@asynccontextmanager
async def conversation(
    processors: Sequence[FrameProcessor], *, chunk_ms: int = 100, sample_rate: int = 24000
) -> AsyncIterator[Conversation]:
    """Run the processors with a caller before them; what still runs on leaving is cancelled."""
    watch = Watch()
    worker = PipelineWorker(
        Pipeline([*processors, watch]), enable_rtvi=False, enable_turn_tracking=False, idle_timeout_secs=None
    )
    call = Conversation(worker, watch, chunk_ms, sample_rate)
    tasks = [asyncio.create_task(call.live()), asyncio.create_task(call.keep_the_line_open())]
    try:
        yield call
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
