"""A running pipeline around the processor under test, with a recorder on either side of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.frames import (
    EndFrame,
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from voicepipe.pipeline import Pipeline, PipelineParams, PipelineWorker, RunResult, run

F = TypeVar("F", bound=Frame)
WITHIN_SECS = 5.0
BRACKETS = (LLMFullResponseStartFrame, TTSStartedFrame, TTSStoppedFrame, LLMFullResponseEndFrame)
"""What an answer and its sound lie between."""


class Recorder(FrameProcessor):
    """Keeps what passes, and lets a test wait for it."""

    def __init__(self, *, keep: FrameDirection) -> None:
        super().__init__(enable_direct_mode=True)
        self.frames: list[Frame] = []
        self._keep = keep
        self._arrived = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction == self._keep:
            async with self._arrived:
                self.frames.append(frame)
                self._arrived.notify_all()
        await self.push_frame(frame, direction)

    def of(self, *types: type[F]) -> list[F]:
        return [frame for frame in self.frames if isinstance(frame, types)]

    def names(self, *types: type[Frame]) -> list[str]:
        """The names of the classes of what passed, only those of `types`."""
        return [type(frame).__name__ for frame in self.of(*types)]

    async def wait_for(
        self, type_: type[F], *, count: int = 1, where: Callable[[F], bool] | None = None
    ) -> list[F]:
        def found() -> list[F]:
            return [frame for frame in self.of(type_) if where is None or where(frame)]

        async with asyncio.timeout(WITHIN_SECS), self._arrived:
            await self._arrived.wait_for(lambda: len(found()) >= count)
        return found()


@dataclass
class Running:
    worker: PipelineWorker
    up: Recorder
    """What went upstream, past the processor under test."""
    down: Recorder
    """What went downstream, past it."""
    ended: asyncio.Task[RunResult]


@asynccontextmanager
async def running(*processors: FrameProcessor) -> AsyncIterator[Running]:
    """Run the processors between two recorders; the pipeline is ended on leaving."""
    up, down = Recorder(keep=FrameDirection.UPSTREAM), Recorder(keep=FrameDirection.DOWNSTREAM)
    params = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
    worker = PipelineWorker(Pipeline([up, *processors, down]), params=params, enable_rtvi=False)
    task = asyncio.create_task(run(worker, handle_signals=False))
    bot = Running(worker, up, down, task)
    try:
        yield bot
        if not task.done():
            await worker.queue_frame(EndFrame())
            async with asyncio.timeout(WITHIN_SECS):
                await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
