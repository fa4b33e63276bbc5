"""A quick way for sound from one processor to the next.

A frame that is pushed costs about 7 µs warm and twice that in a call with pauses of 20 ms; a call has some 300 such hops a
second, nearly all of them sound. Most of it is work that sound does not need: a trace line made from three names though
nobody traces, four events that nobody listens to, looking for the frames that begin and end a pipeline, and coroutines
within coroutines of which none waits for anything. Without these a hop takes 1 to 2 µs
(`python -m tests.benchmarks steps`). Order, observers, errors and event handlers are as in Pipecat.

Sound is taken and pushed at once: `hop.take`, `process_sound` and `hop.push` are `queue_frame`, `process_frame` and
`push_frame` without a coroutine, unless something has to be awaited (`voicepipe.rests`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from pipecat.clocks.base_clock import BaseClock
from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed
from pipecat.processors.frame_processor import (
    FrameCallback,
    FrameDirection,
    FrameProcessor,
    FrameProcessorSetup,
)
from pipecat.utils.errors import ErrorCategory

from voicepipe.frames import (
    CodedInputAudioRawFrame,
    CodedTTSAudioRawFrame,
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    SystemFrame,
    TTSAudioRawFrame,
)
from voicepipe.rests import Remainder, Rest, done
from voicepipe.shortcuts import EVENTS, Watchers, Way

# A hop and its processor are one thing in two objects.
# pyright: reportPrivateUsage=false

SOUND: Final = frozenset(
    {
        InputAudioRawFrame,
        CodedInputAudioRawFrame,
        OutputAudioRawFrame,
        TTSAudioRawFrame,
        CodedTTSAudioRawFrame,
        PlaybackMarkFrame,
    }
)
"""The frames that go the quick way, subclasses excluded: what moves many times a second."""
_SYSTEM_SOUND: Final = frozenset(kind for kind in SOUND if issubclass(kind, SystemFrame))
USERS_SOUND: Final = frozenset({InputAudioRawFrame, CodedInputAudioRawFrame})
"""The sound that comes in."""

_DOWN: Final = FrameDirection.DOWNSTREAM
"""Python 3.11 looks a member of an enumeration up with a function of its own, which takes as long as half a hop."""
_IN: Final = "Error processing frame"
_OUT: Final = "Uncaught exception"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def sound_goes_around(method: _Method) -> _Method:
    """Say of an override of `process_frame` or `push_frame` that sound need not pass it.

    It does nothing with sound, or nothing else than `process_sound` or `hop.push` does.
    """
    vars(method)["sound_goes_around"] = True
    return method


class Hop:
    """A processor's part in the quick way of sound, with all that is read there.

    It is an object of its own since Python finds the fields of one class with few of them several times as quickly as those
    of processors, which have forty to a hundred each and are of many classes: with 100 calls, looking for those took a
    tenth of a call's processor time. A function kept in a field is quicker to call from a variable.
    """

    __slots__ = (
        "_down",
        "_is_direct",
        "_process",
        "_processes_now",
        "_processor",
        "_pushes_now",
        "_up",
        "clock",
        "is_cancelled",
        "is_paused",
        "is_quick",
        "observer",
        "waiting",
        "watchers",
    )

    def __init__(self, processor: SoundHops) -> None:
        self.is_quick = False
        """Whether nobody listens to what happens to a frame on its way, once the processor is set up."""
        self.is_cancelled = self.is_paused = False
        self.waiting = 0
        """How many system frames stand in the processor's queue."""
        self._processor = processor
        self._process = processor.process_sound
        self._is_direct = processor._enable_direct_mode
        self._processes_now = self._pushes_now = False
        self.observer: BaseObserver | None = None
        """The pipeline's."""
        self.clock: BaseClock | None = None
        """The pipeline's."""
        self.watchers = Watchers(None)
        """Those who watch it."""
        self._down: dict[type[Frame], Way] = {}
        self._up: dict[type[Frame], Way] = {}

    def set_up(self, setup: FrameProcessorSetup, *, processes_now: bool, pushes_now: bool) -> None:
        """Take note of who watches, and of whether sound goes around `process_frame` and `push_frame`."""
        # Reading an attribute of a setup takes as long as the rest of a hop.
        self.observer, self.clock = setup.observer, setup.clock
        self.watchers = Watchers.of(setup.observer)
        self._processes_now, self._pushes_now = processes_now, pushes_now
        self.forget_ways()

    def forget_ways(self) -> None:
        """Look for the neighbours anew."""
        self._down.clear()
        self._up.clear()

    def take(self, frame: Frame, direction: FrameDirection = _DOWN) -> Rest:
        """Take a frame; sound without waiting, as far as that goes."""
        kind = type(frame)
        if kind not in SOUND or not self.is_quick:
            return partial(self._processor._queue, frame, direction, None)
        # Only system frames stand in the first of a processor's two queues, and only those are its to overtake.
        if not self._is_direct and (self.waiting or self.is_paused or kind not in _SYSTEM_SOUND):
            return partial(self._processor._queue, frame, direction, None)
        if self.is_cancelled:
            return None
        watchers, process = self.watchers, self._process
        if not self._processes_now or (watchers.present and watchers.see_processed()):
            return partial(
                _told_of, self._processor, _IN, partial(self._processor.process_frame, frame, direction)
            )
        try:
            rest = process(frame, direction)
        except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
            return partial(_tell, self._processor, _IN, error)
        return None if rest is None else partial(_told_of, self._processor, _IN, rest)

    def push(self, frame: Frame, direction: FrameDirection = _DOWN) -> Rest:
        """Push a frame; sound without waiting, as far as that goes."""
        if type(frame) not in SOUND or not self.is_quick or not self._pushes_now:
            return partial(self._processor.push_frame, frame, direction)
        return self.pass_on(frame, direction)

    def pass_on(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Give sound to the neighbour in its direction."""
        ways = self._down if direction is _DOWN else self._up
        way = ways.get(type(frame)) or self._way(type(frame), direction)
        if way is None:
            return None
        watchers, take = self.watchers, way.take
        if watchers.present and watchers.see_pushed(frame):
            return partial(self._push_seen, way.neighbour, frame, direction)
        rest = take(frame, direction)
        return None if rest is None else partial(_told_of, self._processor, _OUT, rest)

    async def _push_seen(self, neighbour: FrameProcessor, frame: Frame, direction: FrameDirection) -> None:
        try:
            if self.observer is not None and self.clock is not None:
                pushed = FramePushed(self._processor, neighbour, frame, direction, self.clock.get_time())
                await self.observer.on_push_frame(pushed)
            await neighbour.queue_frame(frame, direction)
        except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
            await _tell(self._processor, _OUT, error)

    def _way(self, kind: type[Frame], direction: FrameDirection) -> Way | None:
        is_down = direction is _DOWN
        neighbour = self._processor._next if is_down else self._processor._prev
        if neighbour is None:
            return None
        way = (self._down if is_down else self._up)[kind] = Way(neighbour, direction, kind)
        return way


class SoundHops(FrameProcessor):
    """A processor that sound passes quickly; to be named before any other base of a processor.

    A subclass that overrides `process_frame` or `push_frame` gets sound there as all else, unless `sound_goes_around` it.
    Who its neighbours are is looked up when it is set up and when they are linked by one of this class.

    Attributes:
        passed_by: Frames of `SOUND` that a class passes on as they are, and does nothing else with: in direct mode they go
            around it. It holds for the class that says so alone; who derives from it may do more.
    """

    passed_by: ClassVar[frozenset[type[Frame]]] = frozenset()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hop: Final = Hop(self)
        """Where sound is taken and pushed."""
        self.__is_set_up = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Take note of who observes the pipeline."""
        await super().setup(setup)
        self.hop.set_up(
            setup,
            processes_now=self.__lets_around("process_frame"),
            pushes_now=self.__lets_around("push_frame"),
        )
        self.__is_set_up = True
        self.__look_for_listeners()

    def __lets_around(self, method: str) -> bool:
        overrides = [vars(one)[method] for one in (self, *type(self).__mro__) if method in vars(one)]
        before = overrides[: overrides.index(vars(SoundHops)[method])]
        return all(hasattr(override, "sound_goes_around") for override in before)

    def link(self, processor: FrameProcessor) -> None:
        """Link to the next processor."""
        super().link(processor)
        self.hop.forget_ways()
        if isinstance(processor, SoundHops):
            processor.hop.forget_ways()

    def add_event_handler(self, event_name: str, handler: Any) -> None:
        """Add an event handler; with one of a frame's way, sound goes Pipecat's way, which calls it."""
        super().add_event_handler(event_name, handler)
        self.__look_for_listeners()

    def remove_event_handler(self, event_name: str, handler: Any) -> None:
        """Remove an event handler."""
        super().remove_event_handler(event_name, handler)
        self.__look_for_listeners()

    def __look_for_listeners(self) -> None:
        has_listeners = any(self._event_handlers[event].handlers for event in EVENTS)
        self.hop.is_quick = self.__is_set_up and not has_listeners

    # In.

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        callback: FrameCallback | None = None,
    ) -> None:
        """Take a frame. Sound is processed at once, in direct mode or if nothing is in the queue that it would overtake."""
        await (self._queue(frame, direction, callback) if callback else done(self.hop.take(frame, direction)))

    async def _queue(self, frame: Frame, direction: FrameDirection, callback: FrameCallback | None) -> None:
        if self._enable_direct_mode or not isinstance(frame, SystemFrame):
            await super().queue_frame(frame, direction, callback)
            return

        async def processed(processor: FrameProcessor, frame: Frame, direction: FrameDirection) -> None:
            self.hop.waiting -= 1
            if callback is not None:
                await callback(processor, frame, direction)

        self.hop.waiting += 1
        await super().queue_frame(frame, direction, processed)

    async def pause_processing_system_frames(self) -> None:
        """Hold system frames, sound among them."""
        self.hop.is_paused = True
        await super().pause_processing_system_frames()

    async def resume_processing_system_frames(self) -> None:
        """Take up again the system frames that were held."""
        self.hop.is_paused = False
        await super().resume_processing_system_frames()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Do what is to be done with every frame; with sound, only the observers are told."""
        if type(frame) not in SOUND or not self.hop.is_quick:
            await super().process_frame(frame, direction)
            self.hop.is_cancelled = self._cancelling
            return
        observer, clock = self.hop.observer, self.hop.clock
        if observer is not None and clock is not None and self.hop.watchers.see_processed():
            await observer.on_process_frame(FrameProcessed(self, frame, direction, clock.get_time()))

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Do with a frame of `SOUND` what `process_frame` does with it, without waiting as far as that goes.

        To be overridden together with `process_frame`, which sound goes around then.
        """
        return self.hop.push(frame, direction)

    # Out.

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame to the next processor in its direction."""
        if type(frame) not in SOUND or not self.hop.is_quick:
            await super().push_frame(frame, direction)
        else:
            await done(self.hop.pass_on(frame, direction))


async def _told_of(processor: FrameProcessor, what: str, rest: Remainder) -> None:
    try:
        await rest()
    except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
        await _tell(processor, what, error)


async def _tell(processor: FrameProcessor, what: str, error: Exception) -> None:
    await processor.push_error(f"{what}: {error}", exception=error, category=ErrorCategory.UNKNOWN)
