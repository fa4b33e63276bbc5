"""A pipeline, and running one.

`Pipeline` and all else that is named here is Pipecat's; `run` owns what is needed around it (worker, runner,
signals) and says how it ended.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.base_worker import BaseWorker
from pipecat.workers.runner import WorkerRunner

from voicepipe.frames import CancelFrame, ErrorFrame, Frame

PipelineTask = PipelineWorker
"""The name `PipelineWorker` had before, as the seeds' bots know it (seed row S002-39)."""

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
        reason: `ended` by an EndFrame or StopFrame, `cancelled` by a CancelFrame, `signal` by SIGINT or SIGTERM, `failed`
            because a processor can no longer do its job, `idle` because nothing happened for too long.
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

    Args:
        pipeline: The pipeline, or a worker that has it; a worker keeps its own `params`, observers and time-outs.
        params: Sample rates and metrics; by default metrics and usage metrics are on.
        observers: They see every frame.
        idle_timeout_secs: End if neither user nor bot spoke for so long; None never does.
        on_started: Awaited with the worker once the pipeline runs.
        handle_signals: Whether SIGINT and SIGTERM end the pipeline: at once, but cleanly. Handlers that were
            installed before are put back.

    Returns:
        How it ended. A processor that can no longer do its job (a refused key, a lost connection) ends the pipeline
        after the frames that are already under way.

    Raises:
        asyncio.CancelledError: The task that awaits this was cancelled; the pipeline was cancelled with it.
    """
    worker = (
        pipeline
        if isinstance(pipeline, PipelineWorker)
        else _worker(pipeline, params, observers, idle_timeout_secs)
    )
    ending = _Ending(worker)
    if on_started is not None:
        ending.call_when_started(on_started)
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    # Pipecat's runner takes a cancellation for a wish to end and goes on; in a task of its own it does not see ours.
    task = asyncio.create_task(runner.run(), name="voicepipe run")
    with ending.on_signals(runner) if handle_signals else _nothing():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await runner.cancel("the task that ran the pipeline was cancelled")
            await task
            raise
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


@contextmanager
def _nothing() -> Generator[None]:
    yield


class _Ending:
    """Learns from a worker's events how it ended."""

    def __init__(self, worker: PipelineWorker) -> None:
        self._worker = worker
        self._result: RunResult | None = None
        worker.add_event_handler("on_pipeline_error", self._on_error)
        worker.add_event_handler("on_pipeline_finished", self._on_finished)
        worker.add_event_handler("on_idle_timeout", self._on_idle)

    @property
    def result(self) -> RunResult:
        return self._result or RunResult("cancelled", "the pipeline was cancelled before it began")

    def call_when_started(self, on_started: OnStarted) -> None:
        async def call(worker: PipelineWorker, _frame: Frame) -> None:
            await on_started(worker)

        self._worker.add_event_handler("on_pipeline_started", call)

    @contextmanager
    def on_signals(self, runner: WorkerRunner) -> Generator[None]:
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        ending: set[asyncio.Task[None]] = set()

        def end(number: signal.Signals) -> None:
            self._settle(RunResult("signal", number.name))
            ending.add(asyncio.create_task(runner.cancel(number.name)))

        for number in before:
            loop.add_signal_handler(number, end, number)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _settle(self, result: RunResult) -> None:
        # What comes first is the cause; what follows (a CancelFrame after a signal) is its effect.
        self._result = self._result or result

    async def _on_error(self, worker: PipelineWorker, frame: ErrorFrame) -> None:
        if frame.processor is not None and not frame.processor.is_usable:
            self._settle(RunResult("failed", frame.error, frame))
            await worker.stop_when_done()

    async def _on_finished(self, _worker: PipelineWorker, frame: Frame) -> None:
        reason = str(getattr(frame, "reason", None) or "")
        self._settle(RunResult("cancelled" if isinstance(frame, CancelFrame) else "ended", reason))

    async def _on_idle(self, _worker: PipelineWorker) -> None:
        self._settle(RunResult("idle", "neither the user nor the bot spoke"))


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
