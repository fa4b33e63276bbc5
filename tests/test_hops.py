"""The quick way of sound: what has to be as in Pipecat although most of Pipecat's way is left out."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.frames import (
    CancelFrame,
    CodedInputAudioRawFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    PlaybackMarkFrame,
    SystemFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.hops import SoundHops, sound_goes_around
from voicepipe.pipeline import Pipeline, PipelineWorker, run
from voicepipe.rests import Rest, done
from voicepipe.shortcuts import SelectiveObserver

pytestmark = pytest.mark.virtual_time
_SOUND = InputAudioRawFrame(bytes(320), 8000, 1)


class Passing(SoundHops):
    """Passes all on and keeps what it saw; may be slow with frames that are no sound, or fail at sound."""

    def __init__(self, *, direct: bool = False, slow: bool = False, fails: bool = False) -> None:
        super().__init__(enable_direct_mode=direct)
        self.saw: list[Frame] = []
        self._slow, self._fails = slow, fails

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if self._slow and isinstance(frame, UserStoppedSpeakingFrame):
            await asyncio.sleep(1)
        if self._fails and isinstance(frame, InputAudioRawFrame):
            raise ValueError("no such sound")
        self.saw.append(frame)
        await self.push_frame(frame, direction)

    def saw_of(self, *kinds: type[Frame]) -> list[Frame]:
        return [frame for frame in self.saw if isinstance(frame, kinds)]


class Keeping(BaseObserver):
    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[tuple[FrameProcessor, FrameProcessor, Frame]] = []

    async def on_push_frame(self, data: FramePushed) -> None:
        self.pushed.append((data.source, data.destination, data.frame))


async def through(
    *processors: FrameProcessor, frames: list[Frame], observers: tuple[BaseObserver, ...] = ()
) -> None:
    """Give frames to the first processor of a pipeline that runs, and end it."""

    async def give(worker: PipelineWorker) -> None:
        for frame in frames:
            await processors[0].queue_frame(frame)
        await worker.queue_frame(EndFrame())

    await run(Pipeline(list(processors)), on_started=give, observers=observers, handle_signals=False)


@pytest.mark.parametrize("direct", [True, False])
async def test_sound_reaches_everybody_in_its_order(direct: bool):
    first, last = Passing(direct=direct), Passing(direct=direct)
    sounds: list[Frame] = [InputAudioRawFrame(bytes([n, 0]), 8000, 1) for n in range(20)]
    await through(first, last, frames=sounds)
    assert first.saw_of(InputAudioRawFrame) == last.saw_of(InputAudioRawFrame) == sounds


async def test_sound_does_not_overtake_what_waits_in_a_processor():
    slow = Passing(slow=True)
    frames: list[Frame] = [UserStoppedSpeakingFrame(), _SOUND, PlaybackMarkFrame()]
    await through(slow, frames=frames)
    assert slow.saw_of(UserStoppedSpeakingFrame, InputAudioRawFrame, PlaybackMarkFrame) == frames


async def test_sound_that_nothing_waits_before_is_there_at_once():
    processor = Passing()

    async def give(worker: PipelineWorker) -> None:
        await processor.queue_frame(_SOUND)
        assert processor.saw_of(InputAudioRawFrame) == [_SOUND]
        await worker.queue_frame(EndFrame())

    await run(Pipeline([processor]), on_started=give, handle_signals=False)


async def test_a_processor_that_holds_system_frames_holds_sound():
    processor = Passing()

    async def give(worker: PipelineWorker) -> None:
        await processor.pause_processing_system_frames()
        await processor.queue_frame(_SOUND)
        assert processor.saw_of(InputAudioRawFrame) == []
        await processor.resume_processing_system_frames()
        await worker.queue_frame(EndFrame())

    await run(Pipeline([processor]), on_started=give, handle_signals=False)
    assert processor.saw_of(InputAudioRawFrame) == [_SOUND]


async def test_an_observer_sees_every_hop():
    first, last, observer = Passing(), Passing(direct=True), Keeping()
    await through(first, last, frames=[_SOUND], observers=(observer,))
    assert (first, last, _SOUND) in observer.pushed


async def test_event_handlers_are_called_for_sound():
    processor, heard = Passing(direct=True), list[tuple[str, Frame]]()
    for event in (
        "on_before_process_frame",
        "on_after_process_frame",
        "on_before_push_frame",
        "on_after_push_frame",
    ):

        async def handler(_processor: FrameProcessor, frame: Frame, event: str = event) -> None:
            if isinstance(frame, InputAudioRawFrame):
                heard.append((event, frame))

        processor.add_event_handler(event, handler)
    await through(processor, frames=[_SOUND])
    assert [event for event, _ in heard] == [
        "on_before_process_frame",
        "on_before_push_frame",
        "on_after_push_frame",
        "on_after_process_frame",
    ]


@pytest.mark.parametrize("direct", [True, False])
async def test_a_fault_with_sound_is_an_error_frame_and_not_the_end(direct: bool):
    before, failing = Passing(direct=True), Passing(direct=direct, fails=True)
    await through(before, failing, frames=[_SOUND, SystemFrame(), _SOUND])
    errors = [frame.error for frame in before.saw if isinstance(frame, ErrorFrame)]
    assert errors == ["Error processing frame: no such sound"] * 2


def test_coded_sound_is_decoded_when_it_is_read():
    decoded: list[bytes] = []

    def decode(sound: bytes) -> bytes:
        decoded.append(sound)
        return bytes(2 * len(sound))

    frame = CodedInputAudioRawFrame(b"", 8000, 1, coding="PCMU", coded=b"\xff" * 160, decode=decode)
    assert (frame.num_frames, decoded) == (160, [])
    assert frame.audio is frame.audio
    assert (len(frame.audio), len(decoded), frame.coded) == (320, 1, b"\xff" * 160)


def test_the_text_of_coded_sound_does_not_decode_it():
    frame = CodedInputAudioRawFrame(b"", 8000, 1, coding="PCMU", coded=b"\xff" * 160, decode=_never)
    assert str(frame).endswith("(PCMU, frames: 160)")


def _never(sound: bytes) -> bytes:
    raise AssertionError(f"{len(sound)} bytes were decoded")


def test_coded_sound_becomes_plain_sound_when_it_is_set():
    frame = CodedInputAudioRawFrame(b"", 8000, 1, coding="PCMU", coded=b"\xff", decode=bytes)
    frame.audio = b"\1\0"
    assert (frame.audio, frame.coded) == (b"\1\0", b"")


class Bystander(Passing):
    """Has nothing to do with sound, and says so."""

    passed_by = frozenset({InputAudioRawFrame})


class Onlooker(Passing):
    """Has nothing to do with marks, and says so."""

    passed_by = frozenset({PlaybackMarkFrame})


class Curious(Bystander):
    """Derives from one that has nothing to do with sound."""


@pytest.mark.parametrize(("direct", "goes_around"), [(True, True), (False, False)])
async def test_sound_goes_around_who_has_nothing_to_do_with_it(direct: bool, goes_around: bool):
    first, bystander, last = Passing(), Bystander(direct=direct), Passing()
    await through(first, bystander, last, frames=[_SOUND, PlaybackMarkFrame()])
    assert last.saw_of(InputAudioRawFrame) == [_SOUND]
    assert (bystander.saw_of(InputAudioRawFrame) == []) is goes_around
    assert len(bystander.saw_of(PlaybackMarkFrame)) == 1


async def test_who_derives_from_such_a_one_gets_the_sound():
    curious = Curious(direct=True)
    await through(Passing(), curious, frames=[_SOUND])
    assert curious.saw_of(InputAudioRawFrame) == [_SOUND]


async def test_sound_goes_through_who_is_listened_to_or_watched():
    heard, bystander = list[Frame](), Bystander(direct=True)

    async def handler(_processor: FrameProcessor, frame: Frame) -> None:
        heard.append(frame)

    bystander.add_event_handler("on_before_process_frame", handler)
    await through(Passing(), bystander, frames=[_SOUND])
    assert _SOUND in heard
    bystander, observer = Bystander(direct=True), Keeping()
    await through(Passing(), bystander, frames=[_SOUND], observers=(observer,))
    assert bystander.saw_of(InputAudioRawFrame) == [_SOUND]


class Choosy(SelectiveObserver):
    """Wants marks and no other sound."""

    def __init__(self, *, observe_every_push: bool = True) -> None:
        super().__init__(observe_every_push=observe_every_push)
        self.pushed: list[tuple[FrameProcessor, Frame]] = []
        self.processed: list[tuple[FrameProcessor, Frame]] = []

    def observes(self, frame_type: type[Frame]) -> bool:
        return frame_type is PlaybackMarkFrame

    async def on_push_frame(self, data: FramePushed) -> None:
        self.pushed.append((data.source, data.frame))

    async def on_process_frame(self, data: FrameProcessed) -> None:
        self.processed.append((data.processor, data.frame))


async def test_sound_that_no_observer_wants_goes_as_if_there_were_none():
    first, bystander, observer, mark = Passing(), Bystander(direct=True), Choosy(), PlaybackMarkFrame()
    await through(first, bystander, frames=[_SOUND, mark], observers=(observer,))
    assert bystander.saw_of(InputAudioRawFrame) == []
    assert (first, mark) in observer.pushed
    assert (first, _SOUND) not in observer.pushed
    bystander, observer, keeping = Bystander(direct=True), Choosy(), Keeping()
    await through(first, bystander, frames=[_SOUND], observers=(observer, keeping))
    assert bystander.saw_of(InputAudioRawFrame) == [_SOUND]
    assert (first, bystander, _SOUND) in keeping.pushed


async def test_a_selective_observer_is_told_when_sound_is_pushed_and_not_when_it_is_processed():
    first, observer, mark, silence = (
        Passing(direct=True),
        Choosy(),
        PlaybackMarkFrame(),
        UserStoppedSpeakingFrame(),
    )
    await through(first, frames=[mark, silence], observers=(observer,))
    assert (first, mark) in observer.pushed
    assert (first, mark) not in observer.processed
    assert (first, silence) in observer.processed


@pytest.mark.parametrize("every_push", [True, False])
async def test_sound_is_watched_only_at_its_first_hop_if_nobody_wants_more(every_push: bool):
    first, bystander, last, mark = Passing(), Onlooker(direct=True), Passing(), PlaybackMarkFrame()
    observer = Choosy(observe_every_push=every_push)
    await through(first, Passing(direct=True), bystander, last, frames=[mark], observers=(observer,))
    sources = [source for source, frame in observer.pushed if frame is mark]
    assert sources[0] is first
    assert (len(sources) == 1) is not every_push
    assert (mark in bystander.saw) is every_push
    assert mark in last.saw


async def test_an_observer_that_comes_later_sees_sound_from_there_on():
    first, last, observer = Passing(), Passing(), Keeping()

    async def give(worker: PipelineWorker) -> None:
        await first.queue_frame(_SOUND)
        worker.add_observer(observer)
        await first.queue_frame(_SOUND)
        await worker.queue_frame(EndFrame())

    await run(Pipeline([first, last]), on_started=give, handle_signals=False)
    assert [frame for source, _, frame in observer.pushed if source is first].count(_SOUND) == 1


async def test_sound_reaches_the_ends_of_pipelines_and_who_asked_for_it_there():
    reached, inner = list[Frame](), Passing(direct=True)

    async def give(worker: PipelineWorker) -> None:
        worker.set_reached_downstream_filter((InputAudioRawFrame,))
        worker.set_reached_upstream_filter((PlaybackMarkFrame,))

        async def keep(_worker: PipelineWorker, frame: Frame) -> None:
            reached.append(frame)

        worker.add_event_handler("on_frame_reached_downstream", keep)
        worker.add_event_handler("on_frame_reached_upstream", keep)
        await inner.queue_frame(_SOUND)
        await inner.queue_frame(PlaybackMarkFrame(), FrameDirection.UPSTREAM)
        await worker.queue_frame(EndFrame())

    await run(Pipeline([Pipeline([inner])]), on_started=give, handle_signals=False)
    assert {type(frame) for frame in reached} == {InputAudioRawFrame, PlaybackMarkFrame}


class Quick(SoundHops):
    """Takes sound without waiting for anything, or with."""

    def __init__(self, *, waits: bool = False, fails: bool = False) -> None:
        super().__init__(enable_direct_mode=True)
        self.saw: list[Frame] = []
        self._waits, self._fails = waits, fails

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        if self._fails:
            raise ValueError("no such sound")
        self.saw.append(frame)
        return partial(self._later, frame, direction) if self._waits else self.hop.push(frame, direction)

    async def _later(self, frame: Frame, direction: FrameDirection) -> None:
        await asyncio.sleep(1)
        await self.push_frame(frame, direction)


class Overriding(Quick):
    """What an application derives from one of ours, and wants to see all frames."""

    def __init__(self) -> None:
        super().__init__()
        self.processed: list[Frame] = []
        self.pushed: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        self.processed.append(frame)
        await super().process_frame(frame, direction)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        self.pushed.append(frame)
        await super().push_frame(frame, direction)


async def _taken_now(*processors: FrameProcessor, waits: bool) -> None:
    """Give sound to the first processor, and see whether that takes it without waiting."""

    async def give(worker: PipelineWorker) -> None:
        first = processors[0]
        assert isinstance(first, SoundHops)
        rest = first.hop.take(_SOUND)
        assert (rest is not None) is waits
        await done(rest)
        await worker.queue_frame(EndFrame())

    await run(Pipeline(list(processors)), on_started=give, handle_signals=False)


async def test_sound_passes_without_a_coroutine_where_nobody_waits():
    first, bystander, last = Quick(), Bystander(direct=True), Quick()
    await _taken_now(first, bystander, last, waits=False)
    assert (first.saw, last.saw) == ([_SOUND], [_SOUND])


@pytest.mark.parametrize("how", ["waits", "is slow to say", "queues"])
async def test_what_has_to_be_awaited_on_the_way_is_left_to_be_awaited(how: str):
    first, last = Quick(), Quick()
    between = Quick(waits=True) if how == "waits" else Passing(direct=how != "queues")
    await _taken_now(first, between, last, waits=True)
    assert first.saw == last.saw == [_SOUND]
    assert between.saw.count(_SOUND) == 1


async def test_a_fault_at_once_is_an_error_frame_too():
    before, failing = Passing(direct=True), Quick(fails=True)
    await through(before, failing, frames=[_SOUND])
    errors = [frame.error for frame in before.saw if isinstance(frame, ErrorFrame)]
    assert errors == ["Error processing frame: no such sound"]


async def test_who_overrides_a_quick_one_sees_sound_in_its_methods():
    overriding, last = Overriding(), Quick()
    await _taken_now(overriding, last, waits=True)
    assert overriding.processed.count(_SOUND) == overriding.pushed.count(_SOUND) == 1
    assert last.saw == [_SOUND]


async def test_who_listens_to_a_pipeline_hears_of_sound_that_would_go_around_it():
    heard, inner, last = list[Frame](), Quick(), Quick()
    within = Pipeline([inner])

    async def handler(_pipeline: FrameProcessor, frame: Frame) -> None:
        heard.append(frame)

    async def give(worker: PipelineWorker) -> None:
        await done(inner.hop.take(_SOUND))
        within.add_event_handler("on_before_push_frame", handler)
        await done(inner.hop.take(_SOUND))
        await worker.queue_frame(EndFrame())

    await run(Pipeline([within, last]), on_started=give, handle_signals=False)
    assert last.saw == [_SOUND, _SOUND]
    assert heard.count(_SOUND) == 1


async def test_one_that_is_linked_anew_pushes_sound_to_its_new_neighbours():
    first, between, last = Quick(), Quick(), Quick()
    marks = PlaybackMarkFrame()

    async def give(worker: PipelineWorker) -> None:
        await done(first.hop.take(_SOUND))
        await done(last.hop.take(marks, FrameDirection.UPSTREAM))
        first.link(last)
        await done(first.hop.take(_SOUND))
        await done(last.hop.take(marks, FrameDirection.UPSTREAM))
        await worker.queue_frame(EndFrame())

    await run(Pipeline([first, between, last]), on_started=give, handle_signals=False)
    assert between.saw == [_SOUND, marks]
    assert last.saw == [_SOUND, marks, _SOUND, marks]
    assert first.saw == [_SOUND, marks, _SOUND, marks]


async def test_a_processor_that_is_cancelled_takes_no_sound():
    first, last = Quick(), Quick()

    async def give(worker: PipelineWorker) -> None:
        await worker.queue_frame(CancelFrame())

    await run(Pipeline([first, last]), on_started=give, handle_signals=False)
    assert first.hop.take(_SOUND) is None
    assert first.saw == []
