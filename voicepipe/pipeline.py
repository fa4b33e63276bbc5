"""A pipeline, and running one.

`Pipeline` and all else that is named here is Pipecat's; `run` owns what is needed around it (worker, runner,
signals) and says how it ended.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Literal, TypeAlias, cast

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from voicepipe.frames import CancelFrame, EndFrame, ErrorFrame, Frame, StopFrame

PipelineTask = PipelineWorker
"""The name `PipelineWorker` had before, as the seeds' bots know it (seed row S002-39)."""

_CLOSING_SECS: Final = 1.0
"""How long a pipeline has to end by itself when its loop is being closed."""

EndReason: TypeAlias = Literal["ended", "cancelled", "signal", "failed", "idle"]
OnStarted: TypeAlias = Callable[[PipelineWorker], Awaitable[None]]


class PipelineRunner(WorkerRunner):
    """The name `WorkerRunner` had before; `run(task)` runs that one task, as it used to."""

    async def run(self, worker: BaseWorker | None = None, *, auto_end: bool = True) -> None:
        """Run until all workers are done.

        Args:
            worker: A worker to add first.
            auto_end: Whether to end when the last worker has finished.
        """
        if worker is not None:
            await self.add_workers(worker)
        await super().run(auto_end=auto_end)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a pipeline ended.

    Parameters:
        reason: `ended` by an EndFrame or StopFrame, `cancelled` by a CancelFrame, `signal` by SIGINT or SIGTERM,
            `failed` because a processor can no longer do its job or was not ready in time, `idle` because nothing
            happened for too long.
        detail: What there is to say about it, e.g. the error's text.
        error: The error, if it failed.
    """

    reason: EndReason
    detail: str = ""
    error: ErrorFrame | None = None


async def run(
    pipeline: Pipeline | PipelineWorker,
    *,
    params: PipelineParams | None = None,
    observers: Sequence[BaseObserver] = (),
    idle_timeout_secs: float | None = None,
    on_started: OnStarted | None = None,
    handle_signals: bool = True,
) -> RunResult:
    """Run a pipeline until it ends, and leave no task behind.

    To put frames into it while it runs, pass a `PipelineWorker` and keep it, or take it in `on_started`.

        async def greet(worker: PipelineWorker) -> None:
            await worker.queue_frame(LLMRunFrame())

        result = await run(pipeline, on_started=greet)

    Args:
        pipeline: The pipeline, or a worker that has it; a worker keeps its own `params`, observers and time-outs.
        params: Sample rates and metrics; by default metrics and usage metrics are on.
        observers: They see every frame.
        idle_timeout_secs: End if neither user nor bot spoke for so long; None never does.
        on_started: Awaited with the worker once the pipeline runs; cancelled if the pipeline ends before it returns.
        handle_signals: Whether SIGINT and SIGTERM end the pipeline: at once, but cleanly. The handlers that were
            there before are put back with the first signal, so a second one does what it would do without us. Outside the
            main thread, where Python delivers no signals, this does nothing.

    Returns:
        How it ended. A processor that can no longer do its job (a refused key, a lost connection) ends the pipeline:
        after the frames that are already under way, or at once if the pipeline has not started yet. A StopFrame ends
        it like an EndFrame; the connections that Pipecat would keep open for another run are closed.

    Raises:
        asyncio.CancelledError: The task that awaits this was cancelled; the pipeline was cancelled with it.
        Exception: What `on_started` raised; the pipeline was cancelled.
    """
    worker = (
        pipeline
        if isinstance(pipeline, PipelineWorker)
        else _worker(pipeline, params, observers, idle_timeout_secs)
    )
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    ending = _Ending(worker, on_started)
    await runner.add_workers(worker)
    # Pipecat's runner takes a cancellation for a wish to end and goes on; in a task of its own it does not see ours.
    task = asyncio.create_task(runner.run(), name="voicepipe run")
    with _Signals(runner, ending) if handle_signals else nullcontext():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await runner.cancel("the task that ran the pipeline was cancelled")
            await _outlast(task, worker)
            raise
        finally:
            await ending.close()
    return ending.result


def _worker(
    pipeline: Pipeline,
    params: PipelineParams | None,
    observers: Sequence[BaseObserver],
    idle_timeout_secs: float | None,
) -> PipelineWorker:
    return PipelineWorker(
        pipeline,
        params=params or PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        observers=list(observers),
        idle_timeout_secs=idle_timeout_secs,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )


async def _outlast(task: asyncio.Task[None], worker: PipelineWorker) -> None:
    """Wait for a task to end, however often the wait is cancelled: what it cleans up must not be left half done."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=_CLOSING_SECS if task.cancelling() else None)
            if task.cancelling() and not task.done():
                # The loop is being closed, which cancels each task on its own: no processor is left that could pass the
                # CancelFrame on for which Pipecat's worker waits.
                of_worker = cast("Iterable[asyncio.Task[object]]", worker.task_manager.current_tasks())
                for one in of_worker:
                    one.cancel()


class _Signals:
    """SIGINT and SIGTERM end a runner, for as long as it is entered.

    `loop.add_signal_handler` is not used because what it replaces cannot be put back.
    """

    def __init__(self, runner: WorkerRunner, ending: _Ending) -> None:
        self._runner = runner
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}
        self._cancelling: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # None stands for a handler that was not installed from Python; it cannot be put back.
                self._before[number] = signal.signal(number, self._arrived) or signal.SIG_DFL

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.__exit__()
        self._loop.call_soon_threadsafe(self._end, signal.Signals(number).name)

    def _end(self, name: str) -> None:
        self._ending.settle(RunResult("signal", name))
        self._cancelling = self._loop.create_task(self._runner.cancel(name))


class _Ending:
    """Learns from a worker's events how it ended, and owns what was started with it."""

    def __init__(self, worker: PipelineWorker, on_started: OnStarted | None) -> None:
        self._worker = worker
        self._on_started = on_started
        self._starter: asyncio.Task[None] | None = None
        self._has_started = False
        self._is_kept = False
        self._result: RunResult | None = None
        worker.add_event_handler("on_pipeline_started", self._started)
        worker.add_event_handler("on_pipeline_error", self._erred)
        worker.add_event_handler("on_pipeline_finished", self._finished)
        worker.add_event_handler("on_pipeline_timeout", self._timed_out)
        worker.add_event_handler("on_setup_timeout", self._not_set_up)
        worker.add_event_handler("on_idle_timeout", self._idle)

    @property
    def result(self) -> RunResult:
        return self._result or RunResult("cancelled", "the pipeline was cancelled before it began")

    def settle(self, result: RunResult) -> None:
        # What comes first is the cause; what follows (a CancelFrame after a signal) is its effect.
        self._result = self._result or result

    async def close(self) -> None:
        """End what is left.

        Raises:
            Exception: What `on_started` raised.
        """
        if self._is_kept:
            await self._worker.pipeline.cleanup()
        if self._starter is not None:
            self._starter.cancel()
            with suppress(asyncio.CancelledError):
                await self._starter

    def _started(self, worker: PipelineWorker, _frame: Frame) -> None:
        self._has_started = True
        if self._on_started is not None:
            # Not in the event's own task: Pipecat waits for that one to return before it ends anything.
            self._starter = asyncio.create_task(self._start(worker, self._on_started), name="on_started")

    async def _start(self, worker: PipelineWorker, on_started: OnStarted) -> None:
        try:
            await on_started(worker)
        except Exception as error:
            self.settle(RunResult("failed", f"on_started: {error}"))
            await worker.cancel(reason="on_started failed")
            raise

    async def _erred(self, worker: PipelineWorker, frame: ErrorFrame) -> None:
        if frame.processor is None or frame.processor.is_usable:
            return
        self.settle(RunResult("failed", frame.error, frame))
        if self._has_started:
            await worker.stop_when_done()
        else:
            # An EndFrame would wait for a start that may never come.
            await worker.cancel(reason=frame.error)

    def _finished(self, _worker: PipelineWorker, frame: Frame) -> None:
        # Pipecat leaves the processors as they are after a StopFrame.
        self._is_kept = isinstance(frame, StopFrame)
        reason = str(frame.reason or "") if isinstance(frame, EndFrame | CancelFrame) else ""
        self.settle(RunResult("cancelled" if isinstance(frame, CancelFrame) else "ended", reason))

    def _timed_out(self, _worker: PipelineWorker, frame: Frame) -> None:
        self.settle(
            RunResult("failed", f"the {type(frame).__name__} did not reach the pipeline's end in time")
        )

    def _not_set_up(self, _worker: PipelineWorker) -> None:
        self.settle(RunResult("failed", "a processor was not set up in time"))

    def _idle(self, _worker: PipelineWorker) -> None:
        self.settle(RunResult("idle", "neither the user nor the bot spoke"))


__all__ = [
    "EndReason",
    "Pipeline",
    "PipelineParams",
    "PipelineRunner",
    "PipelineTask",
    "PipelineWorker",
    "RunResult",
    "WorkerRunner",
    "run",
]
