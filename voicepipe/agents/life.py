"""A session's pipeline from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.worker import PipelineWorker

from voicepipe.agents.events import CloseEvent, CloseReason
from voicepipe.errors import VoicepipeError
from voicepipe.pipeline import EndReason, Pipeline, RunResult, run

_REASONS: Final[dict[EndReason, CloseReason]] = {
    "ended": "participant_disconnected",
    "idle": "participant_disconnected",
    "signal": "job_shutdown",
    "cancelled": "user_initiated",
    "failed": "error",
}
OnEnded = Callable[[RunResult], Awaitable[CloseEvent]]
"""Called when the pipeline is gone, and ends the rest."""


class Life:
    """Runs one pipeline, once, in a task of its own."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._worker: PipelineWorker | None = None
        self._task: asyncio.Task[CloseEvent] | None = None
        self._result: RunResult | None = None

    @property
    def is_running(self) -> bool:
        """Whether frames flow."""
        return self._worker is not None and self._result is None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline.

        Raises:
            VoicepipeError: There is none yet.
        """
        if self._pipeline is None:
            raise VoicepipeError("the session has no pipeline before it is started")
        return self._pipeline

    @property
    def worker(self) -> PipelineWorker:
        """What runs the pipeline.

        Raises:
            VoicepipeError: It does not run yet.
        """
        if self._worker is None:
            raise VoicepipeError("the session has no pipeline before it is started")
        return self._worker

    async def begin(self, pipeline: Pipeline, observer: BaseObserver, on_ended: OnEnded) -> None:
        """Start the pipeline and wait until all of it has started.

        Raises:
            VoicepipeError: It could not start.
        """
        self._pipeline = pipeline
        started: asyncio.Future[PipelineWorker] = asyncio.get_running_loop().create_future()

        async def on_started(worker: PipelineWorker) -> None:
            started.set_result(worker)

        async def live() -> CloseEvent:
            self._result = await run(
                pipeline, observers=[observer], on_started=on_started, handle_signals=False
            )
            return await on_ended(self._result)

        self._task = asyncio.create_task(live(), name="agent session")
        try:
            await asyncio.wait([self._task, started], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            raise
        if not started.done() or not all(processor.is_usable for processor in pipeline.processors):
            # A refusal does not keep the other processors from starting; the pipeline ends itself because of it.
            await self._task
            assert self._result is not None
            raise _why(self._result)
        self._worker = started.result()

    async def end(self) -> None:
        """End the pipeline at once, and wait until nothing is left; nothing if it never began."""
        if self._worker is not None and self._result is None:
            await self._worker.cancel(reason="the session was closed")
        if self._task is not None:
            await asyncio.shield(self._task)

    async def wait_closed(self) -> CloseEvent:
        """Wait for the end.

        Raises:
            VoicepipeError: It never began.
        """
        if self._task is None:
            raise VoicepipeError("the session was not started")
        return await asyncio.shield(self._task)


def close_event(result: RunResult, reason: CloseReason | None) -> CloseEvent:
    """Return what a session says at its end.

    Args:
        result: How its pipeline ended.
        reason: Why it was ended, if somebody here ended it.
    """
    if result.reason == "failed":
        return CloseEvent(reason="error", error=VoicepipeError(result.detail))
    return CloseEvent(reason=reason or _REASONS[result.reason])


def _why(result: RunResult) -> VoicepipeError:
    error = result.error.exception if result.error is not None else None
    if isinstance(error, VoicepipeError):
        return error
    return VoicepipeError(result.detail or f"the pipeline {result.reason} before it started")
