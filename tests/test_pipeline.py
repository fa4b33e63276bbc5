"""Running a pipeline: each way it can end, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from voicepipe.frames import CancelFrame, EndFrame, Frame, StartFrame, TextFrame
from voicepipe.pipeline import (
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    PipelineWorker,
    run,
)


class Act(FrameProcessor):
    """Does something once the pipeline has started."""

    def __init__(self, act) -> None:
        super().__init__()
        self._act = act

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self._act(self)


async def nothing(_: FrameProcessor) -> None:
    return


@pytest.mark.parametrize(
    ("frame", "reason"), [(EndFrame(), "ended"), (CancelFrame(reason="enough"), "cancelled")]
)
async def test_it_says_which_frame_ended_it(frame, reason):
    async def started(worker: PipelineWorker) -> None:
        await worker.queue_frame(frame)

    result = await run(Pipeline([Act(nothing)]), on_started=started)
    assert result.reason == reason


async def test_frames_can_be_put_into_a_worker_that_runs():
    seen: list[str] = []

    class Ear(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, TextFrame):
                seen.append(frame.text)
            await self.push_frame(frame, direction)

    worker = PipelineWorker(Pipeline([Ear()]), enable_rtvi=False)
    running = asyncio.create_task(run(worker))
    await worker.queue_frames([TextFrame("one"), TextFrame("two"), EndFrame()])
    assert (await running).reason == "ended"
    assert seen == ["one", "two"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_the_handlers_from_before_are_put_back(number):
    before = signal.getsignal(number)

    async def started(_: PipelineWorker) -> None:
        os.kill(os.getpid(), number)

    result = await run(Pipeline([Act(nothing)]), on_started=started)
    assert (result.reason, result.detail) == ("signal", number.name)
    assert signal.getsignal(number) is before


async def test_a_processor_that_can_no_longer_do_its_job_ends_it_with_its_error():
    async def fail(processor: FrameProcessor) -> None:
        await processor.push_error("the key was refused", category=ErrorCategory.AUTHENTICATION)

    result = await run(Pipeline([Act(fail)]))
    assert (result.reason, result.detail) == ("failed", "the key was refused")
    assert result.error is not None


async def test_an_error_that_passes_does_not_end_it():
    async def stumble(processor: FrameProcessor) -> None:
        await processor.push_error("once", category=ErrorCategory.SERVER)
        await processor.pipeline_worker.queue_frame(EndFrame())

    assert (await run(Pipeline([Act(stumble)]))).reason == "ended"


async def test_a_processor_that_cannot_be_set_up_ends_it_with_its_error():
    class Broken(FrameProcessor):
        async def setup(self, setup: FrameProcessorSetup) -> None:
            await super().setup(setup)
            raise RuntimeError("no such device")

    result = await run(Pipeline([Broken()]))
    assert result.reason == "failed"
    assert "no such device" in result.detail


async def test_cancelling_the_task_that_runs_it_cancels_it_and_is_passed_on():
    started = asyncio.Event()

    async def tell(_: PipelineWorker) -> None:
        started.set()

    task = asyncio.create_task(run(Pipeline([Act(nothing)]), on_started=tell))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.virtual_time
async def test_a_pipeline_in_which_nobody_speaks_ends_as_idle_if_asked_to():
    result = await run(Pipeline([Act(nothing)]), idle_timeout_secs=30)
    assert result.reason == "idle"


async def test_the_names_that_older_bots_know_work():
    task = PipelineTask(Pipeline([Act(nothing)]), params=PipelineParams(), enable_rtvi=False)
    await task.queue_frame(EndFrame())
    await PipelineRunner(handle_sigint=False).run(task)
    assert task.has_finished()
