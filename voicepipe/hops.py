"""A quick way for sound from one processor to the next.

A frame that is pushed costs about 7 µs warm and twice that in a call with pauses of 20 ms; a call has some 300 such hops a
second, nearly all of them sound. Most of it is work that sound does not need: a trace line made from three names though
nobody traces, four events that nobody listens to, looking for the frames that begin and end a pipeline, and coroutines
within coroutines of which none waits for anything. Without these a hop takes 1 to 2 µs
(`python -m tests.benchmarks steps`). Order, observers, errors and event handlers are as in Pipecat.

Sound is taken and pushed "now": `take_now`, `process_sound` and `push_now` are `queue_frame`, `process_frame` and
`push_frame` without a coroutine, unless something has to be awaited (`voicepipe.rests`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

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

_IN: Final = "Error processing frame"
_OUT: Final = "Uncaught exception"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def sound_goes_around(method: _Method) -> _Method:
    """Say of an override of `process_frame` or `push_frame` that sound need not pass it.

    It does nothing with sound, or nothing else than `process_sound` or `push_now` does.
    """
    vars(method)["sound_goes_around"] = True
    return method


class SoundHops(FrameProcessor):
    """A processor that sound passes quickly; to be named before any other base of a processor.

    A subclass that overrides `process_frame` or `push_frame` gets sound there as all else, unless `sound_goes_around` it.

    Attributes:
        passed_by: Frames of `SOUND` that a class passes on as they are, and does nothing else with: in direct mode they go
            around it. It holds for the class that says so alone; who derives from it may do more.
    """

    passed_by: ClassVar[frozenset[type[Frame]]] = frozenset()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__is_set_up = self.__is_quick = False
        self.__processes_now = self.__pushes_now = False
        self.__waiting = 0
        self.__is_paused = False
        self.__ways_down: dict[type[Frame], Way] = {}
        self.__ways_up: dict[type[Frame], Way] = {}

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Take note of who observes the pipeline."""
        await super().setup(setup)
        # Reading an attribute of a setup takes as long as the rest of a hop.
        self.__observer, self.__clock = setup.observer, setup.clock
        self.__watchers = Watchers(setup.observer)
        self.__is_set_up = True
        self.__processes_now = self.__lets_around("process_frame")
        self.__pushes_now = self.__lets_around("push_frame")
        self.__look_for_listeners()

    def __lets_around(self, method: str) -> bool:
        overrides = [vars(one)[method] for one in (self, *type(self).__mro__) if method in vars(one)]
        before = overrides[: overrides.index(vars(SoundHops)[method])]
        return all(hasattr(override, "sound_goes_around") for override in before)

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
        self.__is_quick = self.__is_set_up and not has_listeners

    # In.

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        callback: FrameCallback | None = None,
    ) -> None:
        """Take a frame. Sound is processed at once, in direct mode or if nothing is in the queue that it would overtake."""
        await (self._queue(frame, direction, callback) if callback else done(self.take_now(frame, direction)))

    def take_now(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> Rest:
        """Take a frame, as `queue_frame` does; sound without waiting, as far as that goes."""
        kind = type(frame)
        if kind not in SOUND or not self.__is_quick:
            return partial(self._queue, frame, direction, None)
        # Only system frames stand in the first of a processor's two queues, and only those are its to overtake.
        if not self._enable_direct_mode and (self.__waiting or self.__is_paused or kind not in _SYSTEM_SOUND):
            return partial(self._queue, frame, direction, None)
        if self._cancelling:
            return None
        if not self.__processes_now or (self.__observer is not None and self.__watchers.see_processed()):
            return partial(_told_of, self, _IN, partial(self.process_frame, frame, direction))
        try:
            rest = self.process_sound(frame, direction)
        except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
            return partial(_tell, self, _IN, error)
        return None if rest is None else partial(_told_of, self, _IN, rest)

    async def _queue(self, frame: Frame, direction: FrameDirection, callback: FrameCallback | None) -> None:
        if self._enable_direct_mode or not isinstance(frame, SystemFrame):
            await super().queue_frame(frame, direction, callback)
            return

        async def processed(processor: FrameProcessor, frame: Frame, direction: FrameDirection) -> None:
            self.__waiting -= 1
            if callback is not None:
                await callback(processor, frame, direction)

        self.__waiting += 1
        await super().queue_frame(frame, direction, processed)

    async def pause_processing_system_frames(self) -> None:
        """Hold system frames, sound among them."""
        self.__is_paused = True
        await super().pause_processing_system_frames()

    async def resume_processing_system_frames(self) -> None:
        """Take up again the system frames that were held."""
        self.__is_paused = False
        await super().resume_processing_system_frames()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Do what is to be done with every frame; with sound, only the observers are told."""
        if type(frame) not in SOUND or not self.__is_quick:
            await super().process_frame(frame, direction)
        elif self.__observer is not None and self.__watchers.see_processed():
            await self.__observer.on_process_frame(
                FrameProcessed(self, frame, direction, self.__clock.get_time())
            )

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Do with a frame of `SOUND` what `process_frame` does with it, without waiting as far as that goes.

        To be overridden together with `process_frame`, which sound goes around then.
        """
        return self.push_now(frame, direction)

    # Out.

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame to the next processor in its direction."""
        if type(frame) not in SOUND or not self.__is_quick:
            await super().push_frame(frame, direction)
        else:
            await done(self.__push(frame, direction))

    def push_now(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> Rest:
        """Push a frame, as `push_frame` does; sound without waiting, as far as that goes."""
        if type(frame) not in SOUND or not self.__is_quick or not self.__pushes_now:
            return partial(self.push_frame, frame, direction)
        return self.__push(frame, direction)

    def __push(self, frame: Frame, direction: FrameDirection) -> Rest:
        is_down = direction is FrameDirection.DOWNSTREAM
        neighbour, ways = (self._next, self.__ways_down) if is_down else (self._prev, self.__ways_up)
        if neighbour is None:
            return None
        if self.__observer is not None and self.__watchers.see_pushed(frame):
            return partial(self.__push_seen, self.__observer, neighbour, frame, direction)
        kind = type(frame)
        way = ways.get(kind)
        if way is None or way.neighbour is not neighbour:
            way = ways[kind] = Way(neighbour, direction, kind)
        rest = way.take(frame, direction)
        return None if rest is None else partial(_told_of, self, _OUT, rest)

    async def __push_seen(
        self, observer: BaseObserver, neighbour: FrameProcessor, frame: Frame, direction: FrameDirection
    ) -> None:
        try:
            pushed = FramePushed(self, neighbour, frame, direction, self.__clock.get_time())
            await observer.on_push_frame(pushed)
            await neighbour.queue_frame(frame, direction)
        except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
            await _tell(self, _OUT, error)


async def _told_of(processor: FrameProcessor, what: str, rest: Remainder) -> None:
    try:
        await rest()
    except Exception as error:  # noqa: BLE001 - a fault in one frame is told and ends nothing, as in Pipecat
        await _tell(processor, what, error)


async def _tell(processor: FrameProcessor, what: str, error: Exception) -> None:
    await processor.push_error(f"{what}: {error}", exception=error, category=ErrorCategory.UNKNOWN)
