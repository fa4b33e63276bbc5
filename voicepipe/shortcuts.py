"""What of Pipecat's sound may go around, since it only passes there: a pipeline's two ends, and observers there are none of.

A pipeline within a worker has a source and a sink of its own, and so has the worker's around it: sound that has reached the
last processor passes five more before the worker takes note of it and drops it. That took a sixth of a call's processor
time. For this, names of Pipecat's are read that are protected; `tests/test_hops.py` would show if they changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline, PipelineSink, PipelineSource
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.frames import Frame

# pyright: reportPrivateUsage=false

Push: TypeAlias = Callable[[Frame, FrameDirection], Awaitable[None]]

EVENTS: Final = (
    "on_before_process_frame",
    "on_after_process_frame",
    "on_before_push_frame",
    "on_after_push_frame",
)
"""Those of a frame's way through a processor."""


def watchers(observer: BaseObserver | None) -> Mapping[Any, Any] | tuple[Any, ...]:
    """Return what holds those who watch a pipeline, now and later; empty as long as there are none.

    Args:
        observer: The pipeline's; a worker's passes on to those that were given to the worker.
    """
    if observer is None:
        return ()
    proxies = vars(observer).get("_proxies")
    return cast("Mapping[Any, Any]", proxies) if isinstance(proxies, dict) else (observer,)


class Way:
    """From a processor to the next one that does something with sound.

    Args:
        neighbour: The next processor.
        direction: In which direction it is the next.
    """

    def __init__(self, neighbour: FrameProcessor, direction: FrameDirection) -> None:
        self.neighbour = neighbour
        """Where it begins."""
        self._direct: Push = neighbour.queue_frame
        self._around: Push = neighbour.queue_frame
        self._passed: list[Any] = []
        at: FrameProcessor | None = neighbour
        while at is not None:
            push = self._through(at, direction)
            if push is None:
                self._around = at.queue_frame
                return
            self._passed += [at._event_handlers[event] for event in EVENTS]
            owner = getattr(push, "__self__", None)
            if type(owner) is not Pipeline:
                self._around = push
                return
            at = owner._next if direction is FrameDirection.DOWNSTREAM else owner._prev
            self._passed += [owner._event_handlers[event] for event in EVENTS]

    @property
    def push(self) -> Push:
        """Takes a frame there; through every processor between, if somebody listens to one of them."""
        for event in self._passed:
            if event.handlers:
                return self._direct
        return self._around

    @staticmethod
    def _through(at: FrameProcessor, direction: FrameDirection) -> Push | None:
        """Return what an end of a pipeline does with a frame; None of anything else."""
        if type(at) is PipelineSink and direction is FrameDirection.DOWNSTREAM:
            return cast("Push", at._downstream_push_frame)
        if type(at) is PipelineSource and direction is FrameDirection.UPSTREAM:
            return cast("Push", at._upstream_push_frame)
        return None
