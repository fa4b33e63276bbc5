"""Running a pipeline: every way it can end, what is said about it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import warnings
from collections.abc import Callable

import pytest
from pipecat.frames.frames import ErrorCategory
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from voicepipe import pipeline as pipeline_module
from voicepipe.frames import CancelFrame, EndFrame, EndWorkerFrame, Frame, StartFrame, StopFrame, TextFrame
from voicepipe.pipeline import (
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    PipelineWorker,
    RunResult,
    run,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Passing(FrameProcessor):
    """Passes all frames on and keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.runs = asyncio.Event()
        """Set by the first text. Until it comes, Pipecat may only clean up where it would else send a CancelFrame."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        if isinstance(frame, TextFrame):
            self.runs.set()
        await self.push_frame(frame, direction)

    def names(self) -> list[str]:
        return [type(frame).__name__ for frame in self.frames]


class Refused(Passing):
    """Cannot do its job: its key is refused while it is set up, or when it gets text."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self._when = when

    async def setup(self, setup: FrameProcessorSetup) -> None:
        if self._when == "before setup":
            raise RuntimeError("no such host")
        await super().setup(setup)
        if self._when == "after setup":
            raise RuntimeError("no such host")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            await self.push_error("the key was refused", category=ErrorCategory.AUTHENTICATION)


class Stuck(Passing):
    """Never lets a StartFrame through, or never gets set up."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)
        if self._at == "setup":
            await asyncio.Event().wait()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, StartFrame):
            await super().process_frame(frame, direction)
            await self.push_frame(frame, direction)


def queueing(*frames: Frame) -> Callable[[PipelineWorker], object]:
    async def queue(worker: PipelineWorker) -> None:
        await worker.queue_frames(list(frames))

    return queue


@pytest.mark.parametrize(
    ("frame", "reason"),
    [(EndFrame(reason="done"), "ended"), (StopFrame(), "ended"), (CancelFrame(reason="done"), "cancelled")],
    ids=["EndFrame", "StopFrame", "CancelFrame"],
)
async def test_a_pipeline_ends_with_the_frame_that_ends_it(frame, reason):
    passing = Passing()
    result = await run(Pipeline([passing]), on_started=queueing(TextFrame("hello"), frame))
    assert result == RunResult(reason, "" if isinstance(frame, StopFrame) else "done")
    assert type(frame).__name__ in passing.names()


async def test_what_a_processor_pushes_upstream_to_end_it_ends_it():
    class Ending(Passing):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, TextFrame):
                await self.push_frame(EndWorkerFrame(reason="all said"), FrameDirection.UPSTREAM)

    result = await run(Pipeline([Ending()]), on_started=queueing(TextFrame("hello")))
    assert result == RunResult("ended", "all said")


async def test_frames_are_queued_through_a_worker_that_was_passed():
    passing = Passing()
    worker = PipelineWorker(Pipeline([passing]), enable_rtvi=False)
    await worker.queue_frames([TextFrame("one"), TextFrame("two"), EndFrame()])
    assert (await run(worker)).reason == "ended"
    assert [frame.text for frame in passing.frames if isinstance(frame, TextFrame)] == ["one", "two"]


async def test_metrics_are_on_unless_asked_otherwise():
    seen: list[tuple[bool, bool]] = []

    class Looking(Passing):
        async def setup(self, setup: FrameProcessorSetup) -> None:
            await super().setup(setup)
            seen.append((self.metrics_enabled, self.usage_metrics_enabled))

    await run(Pipeline([Looking()]), on_started=queueing(EndFrame()))
    await run(Pipeline([Looking()]), params=PipelineParams(), on_started=queueing(EndFrame()))
    assert seen == [(True, True), (False, False)]


async def test_observers_see_the_frames():
    class Observer(BaseObserver):
        def __init__(self) -> None:
            super().__init__()
            self.names: set[str] = set()

        async def on_push_frame(self, data: FramePushed) -> None:
            self.names.add(type(data.frame).__name__)

    observer = Observer()
    await run(Pipeline([Passing()]), observers=[observer], on_started=queueing(TextFrame("x"), EndFrame()))
    assert {"TextFrame", "EndFrame"} <= observer.names


class TestFailure:
    @pytest.mark.parametrize("when", ["before setup", "after setup"])
    async def test_a_processor_that_cannot_be_set_up_ends_it_at_once(self, when):
        async with asyncio.timeout(2):
            result = await run(Pipeline([Passing(), Refused(when), Passing()]))
        assert result.reason == "failed"
        assert "no such host" in result.detail
        assert result.error is not None

    async def test_a_permanent_error_ends_it_after_what_is_under_way(self):
        passing = Passing()
        texts = [TextFrame("one"), TextFrame("two")]
        result = await run(Pipeline([passing, Refused("text")]), on_started=queueing(*texts))
        assert (result.reason, result.detail) == ("failed", "the key was refused")
        assert result.error is not None
        assert result.error.category is ErrorCategory.AUTHENTICATION
        assert passing.names().count("TextFrame") == 2

    async def test_an_error_that_is_not_permanent_ends_nothing(self):
        class Failing(Passing):
            async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
                await super().process_frame(frame, direction)
                if isinstance(frame, TextFrame):
                    await self.push_error("try again", category=ErrorCategory.SERVER)

        result = await run(Pipeline([Failing()]), on_started=queueing(TextFrame("one"), EndFrame()))
        assert result.reason == "ended"

    @pytest.mark.virtual_time
    @pytest.mark.parametrize(("at", "said"), [("setup", "not set up in time"), ("start", "StartFrame")])
    async def test_a_pipeline_that_never_starts_has_failed(self, at, said):
        result = await run(Pipeline([Stuck(at)]))
        assert result.reason == "failed"
        assert said in result.detail

    async def test_an_error_in_on_started_is_raised(self):
        async def fails(_: PipelineWorker) -> None:
            raise LookupError("no such bot")

        with pytest.raises(LookupError, match="no such bot"):
            await run(Pipeline([Passing()]), on_started=fails)

    async def test_an_on_started_that_does_not_return_ends_with_the_pipeline(self):
        ended = asyncio.Event()

        async def stays(worker: PipelineWorker) -> None:
            await worker.queue_frame(EndFrame())
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        assert (await run(Pipeline([Passing()]), on_started=stays)).reason == "ended"
        assert ended.is_set()


class TestCancellation:
    async def test_cancelling_the_caller_cancels_the_pipeline_and_goes_on_up(self):
        passing = Passing()
        task = asyncio.create_task(run(Pipeline([passing]), on_started=queueing(TextFrame("hello"))))
        await passing.runs.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "CancelFrame" in passing.names()

    @pytest.mark.parametrize("turns", range(8))
    async def test_cancelling_it_however_early_leaves_nothing(self, turns):
        task = asyncio.create_task(run(Pipeline([Passing()])))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_cancelling_it_twice_still_cleans_up(self):
        class Slow(Passing):
            cleaned = False

            async def cleanup(self) -> None:
                for _ in range(20):
                    await asyncio.sleep(0)
                await super().cleanup()
                self.cleaned = True

        slow = Slow()
        task = asyncio.create_task(run(Pipeline([slow]), on_started=queueing(TextFrame("hello"))))
        await slow.runs.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert slow.cleaned

    @pytest.mark.virtual_time
    async def test_a_time_out_around_it_works(self):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await run(Pipeline([Passing()]))
        assert asyncio.get_running_loop().time() == pytest.approx(3600, abs=1)

    @pytest.mark.virtual_time
    async def test_it_ends_when_nobody_speaks_for_too_long_if_asked(self):
        result = await run(Pipeline([Passing()]), idle_timeout_secs=60)
        assert result.reason == "idle"
        assert asyncio.get_running_loop().time() == pytest.approx(60, abs=1)


class TestSignals:
    @pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
    async def test_a_signal_ends_it_and_the_handlers_are_put_back(self, number):
        before = [signal.getsignal(each) for each in SIGNALS]
        passing = Passing()

        async def kill(worker: PipelineWorker) -> None:
            await worker.queue_frame(TextFrame("hello"))
            await passing.runs.wait()
            os.kill(os.getpid(), number)

        result = await run(Pipeline([passing]), on_started=kill)
        assert result == RunResult("signal", number.name)
        assert "CancelFrame" in passing.names()
        assert [signal.getsignal(each) for each in SIGNALS] == before

    async def test_a_second_signal_does_what_it_would_do_without_us(self):
        received: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))

        async def kill(_: PipelineWorker) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

        try:
            result = await run(Pipeline([Passing()]), on_started=kill)
        finally:
            signal.signal(signal.SIGTERM, before)
        assert result.reason == "signal"
        assert received == [signal.SIGTERM]

    async def test_signals_are_left_alone_if_asked(self):
        seen: list[object] = []

        async def look(worker: PipelineWorker) -> None:
            seen.extend(signal.getsignal(each) for each in SIGNALS)
            await worker.queue_frame(EndFrame())

        before = [signal.getsignal(each) for each in SIGNALS]
        await run(Pipeline([Passing()]), on_started=look, handle_signals=False)
        assert seen == before

    def test_it_runs_outside_the_main_thread(self):
        results: list[RunResult] = []

        def work() -> None:
            results.append(asyncio.run(run(Pipeline([Passing()]), on_started=queueing(EndFrame()))))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(5)
        assert [result.reason for result in results] == ["ended"]


async def test_the_names_from_before_work_without_a_warning():
    passing = Passing()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = PipelineTask(Pipeline([passing]), params=PipelineParams(), enable_rtvi=False)
        await task.queue_frames([TextFrame("hello"), EndFrame()])
        await PipelineRunner(handle_sigint=False).run(task)
    assert passing.names().count("TextFrame") == 1


def test_a_loop_that_is_closed_under_a_pipeline_ends_it(monkeypatch):
    monkeypatch.setattr(pipeline_module, "_CLOSING_SECS", 0.01)
    runs: list[asyncio.Task] = []

    async def leave() -> None:
        started = asyncio.Event()

        async def on_started(_worker: object) -> None:
            started.set()

        runs.append(
            asyncio.create_task(run(Pipeline([Passing()]), handle_signals=False, on_started=on_started))
        )
        await started.wait()

    # As `asyncio.run` does when a program forgets a pipeline that runs.
    asyncio.run(leave())
    assert runs[0].cancelled()
