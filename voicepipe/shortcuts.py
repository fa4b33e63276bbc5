"""What of Pipecat's sound may go around, since it only passes there: a pipeline's two ends, and observers there are none of.

A pipeline within a worker has a source and a sink of its own, and so has the worker's around it: sound that has reached the
last processor passes five more before the worker takes note of it and drops it. That took a sixth of a call's processor
time. For this, names of Pipecat's are read that are protected; `tests/test_hops.py` would show if they changed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Container
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias, cast
from weakref import WeakKeyDictionary

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline, PipelineSink, PipelineSource
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.frames import Frame
from voicepipe.rests import Rest

# pyright: reportPrivateUsage=false

Take: TypeAlias = Callable[[Frame, FrameDirection], Rest]
_Push: TypeAlias = Callable[[Frame, FrameDirection], Awaitable[None]]

_DOWN: Final = FrameDirection.DOWNSTREAM
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

    __slots__ = ("_known", "_pushed", "_want_processed", "_wanted", "present")

    def __init__(self, observer: BaseObserver | None) -> None:
        proxies = _proxies(observer)
        given = () if observer is None else (observer,)
        self.present = cast("Collection[BaseObserver]", given if proxies is None else proxies)
        """Those who watch now."""
        # By id, those that a worker's observer has seen pushed before.
        pushed = None if observer is None else vars(observer).get("_frames_pushed")
        self._pushed = cast("Container[int]", () if pushed is None else pushed)
        self._known: list[BaseObserver] = []
        self._wanted: dict[type[Frame], Literal["always", "once", "never"]] = {}
        self._want_processed = False

    @classmethod
    def of(cls, observer: BaseObserver | None) -> Watchers:
        """Return those of an observer; all processors of a worker have the same."""
        if observer is None or _proxies(observer) is None:
            return cls(observer)
        if observer not in _WATCHERS:
            _WATCHERS[observer] = cls(observer)
        return _WATCHERS[observer]

    def see_pushed(self, frame: Frame) -> bool:
        """Whether any of them is to be told when sound is pushed: most want a frame only once."""
        self._look_who_is_there()
        kind = type(frame)
        wanted = self._wanted.get(kind)
        if wanted is None:
            wanted = self._wanted[kind] = self._wish_for(kind)
        return wanted == "always" or (wanted == "once" and frame.id not in self._pushed)

    def see_processed(self) -> bool:
        """Whether any of them is to be told when sound is processed."""
        self._look_who_is_there()
        return self._want_processed

    def _look_who_is_there(self) -> None:
        there = [*self.present]
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


_WATCHERS: Final[WeakKeyDictionary[BaseObserver, Watchers]] = WeakKeyDictionary()


def _proxies(observer: BaseObserver | None) -> dict[BaseObserver, Any] | None:
    proxies = None if observer is None else vars(observer).get("_proxies")
    return cast("dict[BaseObserver, Any]", proxies) if isinstance(proxies, dict) else None


class Passed(Protocol):
    """What is known of a processor that sound may go around."""

    is_quick: bool
    """Whether nobody listens to what happens to frames there."""


class Way:
    """From a processor to the next one that does something with a kind of sound.

    Nobody is expected to listen to the two ends of a pipeline, which are its own; to pipelines and processors, somebody may.

    Args:
        neighbour: The next processor.
        direction: In which direction it is the next.
        kind: Of the sound.
    """

    __slots__ = ("_around", "_ends_in", "_handlers", "_is_down", "_passed", "_straight", "neighbour", "take")

    def __init__(self, neighbour: FrameProcessor, direction: FrameDirection, kind: type[Frame]) -> None:
        self.neighbour = neighbour
        """Where it begins."""
        self.take: Take = taker(neighbour)
        """Takes a frame there."""
        self._straight = self._around = self.take
        self._handlers: list[list[Any]] = []
        self._passed: list[Passed] = []
        self._ends_in: PipelineWorker | None = None
        self._is_down = direction is _DOWN
        if self._goes_around(direction, kind):
            self.take = self._take_around

    def _goes_around(self, direction: FrameDirection, kind: type[Frame]) -> bool:
        at: FrameProcessor | None = self.neighbour
        while at is not None:
            if at is not self.neighbour:
                self._around = taker(at)
            if kind in vars(type(at)).get("passed_by", ()) and at._enable_direct_mode:
                self._passed.append(cast("Any", at).hop)
                at = _next(at, direction)
                continue
            push = _end(at, direction)
            if push is None:
                break
            self._around = _by(push)
            owner = getattr(push, "__self__", None)
            if type(owner) is PipelineWorker and push in (owner._sink_push_frame, owner._source_push_frame):
                self._ends_in = owner
            if type(owner) is not Pipeline:
                break
            self._handlers += [owner._event_handlers[event].handlers for event in EVENTS]
            at = _next(owner, direction)
        return self._around is not self._straight

    def _take_around(self, frame: Frame, direction: FrameDirection) -> Rest:
        for passed in self._passed:
            if not passed.is_quick:
                return self._straight(frame, direction)
        if any(self._handlers):
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
    hop = getattr(processor, "hop", None)
    return _by(processor.queue_frame) if hop is None else hop.take


def _by(push: _Push) -> Take:
    """Return what takes a frame by a function that has to be awaited."""
    return lambda frame, direction: partial(push, frame, direction)


def _next(processor: FrameProcessor, direction: FrameDirection) -> FrameProcessor | None:
    return processor._next if direction is _DOWN else processor._prev


def _end(processor: FrameProcessor, direction: FrameDirection) -> _Push | None:
    """Return what an end of a pipeline does with a frame; None of anything else."""
    if type(processor) is PipelineSink and direction is _DOWN:
        return cast("_Push", processor._downstream_push_frame)
    if type(processor) is PipelineSource and direction is FrameDirection.UPSTREAM:
        return cast("_Push", processor._upstream_push_frame)
    return None
