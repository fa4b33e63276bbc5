"""What of Pipecat's sound may go around, since it only passes there: a pipeline's two ends, and observers there are none of.

A pipeline within a worker has a source and a sink of its own, and so has the worker's around it: sound that has reached the
last processor passes five more before the worker takes note of it and drops it. That took a sixth of a call's processor
time. For this, names of Pipecat's are read that are protected; `tests/test_hops.py` would show if they changed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Container
from functools import partial
from typing import Any, Final, Literal, TypeAlias, cast

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline, PipelineSink, PipelineSource
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.frames import Frame
from voicepipe.rests import Rest

# pyright: reportPrivateUsage=false

Take: TypeAlias = Callable[[Frame, FrameDirection], Rest]
_Push: TypeAlias = Callable[[Frame, FrameDirection], Awaitable[None]]

EVENTS: Final = (
    "on_before_process_frame",
    "on_after_process_frame",
    "on_before_push_frame",
    "on_after_push_frame",
)
"""Those of a frame's way through a processor."""


class SelectiveObserver(BaseObserver):
    """An observer that says which frames it wants. Of sound it is told when that is pushed, not when it is processed.

    Sound that no observer of a pipeline wants moves as if there were none.
    """

    @abstractmethod
    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether frames of a class are wanted; always the same of one class."""


class Watchers:
    """Those who watch a pipeline, now and later.

    What they want is asked once for each class of frames, and again when there are others.

    Args:
        observer: The pipeline's; a worker's passes on to those that were given to the worker.
    """

    def __init__(self, observer: BaseObserver | None) -> None:
        proxies = None if observer is None else vars(observer).get("_proxies")
        given = () if observer is None else (observer,)
        self._all = cast("Collection[BaseObserver]", proxies if isinstance(proxies, dict) else given)
        # By id, those that a worker's observer has seen pushed before.
        pushed = None if observer is None else vars(observer).get("_frames_pushed")
        self._pushed = cast("Container[int]", () if pushed is None else pushed)
        self._known: list[BaseObserver] = []
        self._wanted: dict[type[Frame], Literal["always", "once", "never"]] = {}
        self._want_processed = False

    def see_pushed(self, frame: Frame) -> bool:
        """Whether any of them is to be told when sound is pushed: most want a frame only once."""
        if not self._all:
            return False
        self._look_who_is_there()
        kind = type(frame)
        wanted = self._wanted.get(kind)
        if wanted is None:
            wanted = self._wanted[kind] = self._wish_for(kind)
        return wanted == "always" or (wanted == "once" and frame.id not in self._pushed)

    def see_processed(self) -> bool:
        """Whether any of them is to be told when sound is processed."""
        if not self._all:
            return False
        self._look_who_is_there()
        return self._want_processed

    def _look_who_is_there(self) -> None:
        there = [*self._all]
        if there != self._known:
            self._known = there
            self._wanted.clear()
            self._want_processed = not all(isinstance(one, SelectiveObserver) for one in there)

    def _wish_for(self, kind: type[Frame]) -> Literal["always", "once", "never"]:
        wish: Literal["once", "never"] = "never"
        for one in self._known:
            if not isinstance(one, SelectiveObserver):
                return "always"
            if one.observes(kind):
                if one.observe_every_push:
                    return "always"
                wish = "once"
        return wish


class Way:
    """From a processor to the next one that does something with a kind of sound.

    Args:
        neighbour: The next processor.
        direction: In which direction it is the next.
        kind: Of the sound.
    """

    def __init__(self, neighbour: FrameProcessor, direction: FrameDirection, kind: type[Frame]) -> None:
        self.neighbour = neighbour
        """Where it begins."""
        self.take: Take = taker(neighbour)
        """Takes a frame there."""
        self._straight = self.take
        self._handlers: list[list[Any]] = []
        self._ends_in: PipelineWorker | None = None
        at: FrameProcessor | None = neighbour
        while at is not None:
            self._around = taker(at)
            if kind in vars(type(at)).get("passed_by", ()) and at._enable_direct_mode:
                self._pass(at)
                at = _next(at, direction)
                continue
            push = _end(at, direction)
            if push is None:
                break
            self._pass(at)
            self._around = _by(push)
            owner = getattr(push, "__self__", None)
            if type(owner) is PipelineWorker and push in (owner._sink_push_frame, owner._source_push_frame):
                self._ends_in = owner
                self._is_down = direction is FrameDirection.DOWNSTREAM
            if type(owner) is not Pipeline:
                break
            self._pass(owner)
            at = _next(owner, direction)
        if self._handlers:
            self.take = self._take_around

    def _pass(self, processor: FrameProcessor) -> None:
        self._handlers += [processor._event_handlers[event].handlers for event in EVENTS]

    def _take_around(self, frame: Frame, direction: FrameDirection) -> Rest:
        if any(self._handlers):
            # Somebody listens to one of those between.
            return self._straight(frame, direction)
        worker = self._ends_in
        # All that a worker does with sound in the end, unless somebody asked to be told or waits for it to run empty.
        if worker is None:
            return self._around(frame, direction)
        if self._is_down and not worker._reached_downstream_types and not worker._foreign_probes:
            worker._frames_reaching_sink += 1
            return None
        if not self._is_down and not worker._reached_upstream_types:
            return None
        return self._around(frame, direction)


def taker(processor: FrameProcessor) -> Take:
    """Return what takes a frame for a processor."""
    return getattr(processor, "take_now", _by(processor.queue_frame))


def _by(push: _Push) -> Take:
    """Return what takes a frame by a function that has to be awaited."""
    return lambda frame, direction: partial(push, frame, direction)


def _next(processor: FrameProcessor, direction: FrameDirection) -> FrameProcessor | None:
    return processor._next if direction is FrameDirection.DOWNSTREAM else processor._prev


def _end(processor: FrameProcessor, direction: FrameDirection) -> _Push | None:
    """Return what an end of a pipeline does with a frame; None of anything else."""
    if type(processor) is PipelineSink and direction is FrameDirection.DOWNSTREAM:
        return cast("_Push", processor._downstream_push_frame)
    if type(processor) is PipelineSource and direction is FrameDirection.UPSTREAM:
        return cast("_Push", processor._upstream_push_frame)
    return None
