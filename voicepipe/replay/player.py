"""Runs today's code on a recording: what reached the bot then reaches it again, in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, cast
from zlib import crc32

import orjson
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams

from voicepipe.errors import VoicepipeError
from voicepipe.frames import EndFrame, Frame, OutputAudioRawFrame, TTSAudioRawFrame
from voicepipe.loops import now_ms
from voicepipe.pipeline import Pipeline, PipelineParams, PipelineWorker, RunResult, run
from voicepipe.realtime.connection import Closed
from voicepipe.realtime.link import WireWay
from voicepipe.realtime.service import RealtimeService
from voicepipe.replay.packed import PackedEntries
from voicepipe.replay.script import Arrived, Opened, Script, Step
from voicepipe.replay.virtual_time import VirtualTimeLoop
from voicepipe.replay.wire import RecordedWire
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.telemetry.recording.frames import KINDS, fields_of
from voicepipe.telemetry.recording.layout import Entry
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.telemetry.recording.reader import Recording

MakeBot: TypeAlias = Callable[[], FrameProcessor | Sequence[FrameProcessor]]
"""Makes what is run: the service, or all processors between the transport's ends."""
_RENEWED = "renewed"
_SOUNDS = ("audio", "user_audio_chunk")
"""Where the wires' messages have the caller's sound."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What today's code made of a recording.

    Parameters:
        entries: What the services sent: frames, sound and messages, as entries of a recording.
        hash: Stands for all of it, to the millisecond and the byte: the same code gives the same hash each time.
        result: How the pipeline ended.
        duration_ms: How long it ran, in virtual time.
        not_replayed: How many frames reached the bot in the call and cannot be given to it again, by their class: what
            it did because of them, it does not do here.
    """

    entries: Sequence[Entry]
    hash: str
    result: RunResult
    duration_ms: float
    not_replayed: Mapping[str, int] = field(default_factory=dict[str, int])


def replay(recording: Recording, make_bot: MakeBot) -> Replayed:
    """Run a bot on a recording, in an event loop of its own, as fast as it can be computed.

    Args:
        recording: The recording.
        make_bot: Makes the bot; its functions are not called: they are answered as they were then.

    Raises:
        VoicepipeError: The bot has not as many realtime services as the recording.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(play(recording, make_bot))


async def play(recording: Recording, make_bot: MakeBot) -> Replayed:
    """Run a bot on a recording within a `VirtualTimeLoop`; see `replay`."""
    with _chance_is_the_same():
        made = make_bot()
        bot = [made] if isinstance(made, FrameProcessor) else list(made)
        player = _Player(recording, bot)
        return await player.play()


class _Player:
    def __init__(self, recording: Recording, bot: Sequence[FrameProcessor]) -> None:
        self._recording = recording
        self._services = [one for one in bot if isinstance(one, RealtimeService)]
        expected = len(recording.header["services"])
        if len(self._services) != expected:
            raise VoicepipeError(
                f"the bot has {len(self._services)} realtime services, the recording {expected}"
            )
        self._script = Script(recording, {type(one).__name__ for one in bot})
        self._wires = [RecordedWire() for _ in self._services]
        self._near, self._far = _End(), _End()
        self._epoch_ms = now_ms()
        self._watch = _Watch(self._services, self._epoch_ms)
        answers = _Answers(recording)
        for index, (service, wire) in enumerate(zip(self._services, self._wires, strict=True)):
            service.wire_link.dial = wire.dial
            service.wire_link.taps.append(partial(self._watch.tapped, index))
            answers.give_to(service)
        self._pipeline = Pipeline([self._near, *bot, self._far])

    async def play(self) -> Replayed:
        params = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
        worker = PipelineWorker(
            self._pipeline,
            params=params,
            observers=[self._watch],
            idle_timeout_secs=None,
            enable_rtvi=False,
            enable_turn_tracking=False,
        )
        acting = asyncio.create_task(self._act(worker), name="replay")
        try:
            result = await run(worker, handle_signals=False)
        finally:
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
        if acting.done() and not acting.cancelled() and (error := acting.exception()):
            raise error
        entries = self._watch.entries
        duration_ms = now_ms() - self._epoch_ms
        return Replayed(entries, _hash(entries), result, duration_ms, self._script.not_replayed())

    async def _act(self, worker: PipelineWorker) -> None:
        try:
            for at_ms, step in self._script.steps(self._epoch_ms):
                await self._until(at_ms)
                await self._take(step)
            await self._until(self._script.end_ms)
        finally:
            # Also where the recording cannot be read any further: nobody else would end the pipeline.
            for wire in self._wires:
                wire.over()
            await worker.queue_frame(EndFrame())

    async def _until(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, (self._epoch_ms + at_ms - now_ms()) / 1000))

    async def _take(self, step: Step) -> None:
        if isinstance(step, Opened):
            self._wires[step.service].opened(step.link)
        elif isinstance(step, Arrived):
            if isinstance(step.what, Closed) and step.what.reason == _RENEWED:
                # That was the bot's own wish; it may have come to it earlier or later by now.
                self._services[step.service].wire_link.renew()
            else:
                self._wires[step.service].arrived(step.link, step.what)
        elif step.direction == "down":
            await self._near.give(step.frame, FrameDirection.DOWNSTREAM)
        else:
            await self._far.give(step.frame, FrameDirection.UPSTREAM)


class _End(FrameProcessor):
    """One end of the pipeline, where recorded frames come in."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self._started = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all on."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        self._started.set()

    async def give(self, frame: Frame, direction: FrameDirection) -> None:
        """Push a recorded frame, once the pipeline has started."""
        await self._started.wait()
        await self.push_frame(frame, direction)


class _Watch(FirstHopObserver):
    """Keeps what services send: frames, sound, messages."""

    def __init__(self, services: Sequence[RealtimeService], epoch_ms: float) -> None:
        super().__init__()
        self.entries = PackedEntries()
        self._services = list(services)
        self._epoch_ms = epoch_ms
        self._push: FramePushed | None = None
        # A replay is given what was masked, but a bot may make up a number of its own.
        self._matcher = Masking().matcher()

    async def on_push_frame(self, data: FramePushed) -> None:
        if data.source in self._services:
            self._push = data
            await super().on_push_frame(data)

    def observes(self, frame_type: type[Frame]) -> bool:
        return frame_type in KINDS or issubclass(frame_type, OutputAudioRawFrame)

    def observed(self, frame: Frame, at_ms: float) -> None:  # noqa: ARG002
        if isinstance(frame, OutputAudioRawFrame):
            context = (frame.context_id if isinstance(frame, TTSAudioRawFrame) else "") or ""
            sound = (crc32(frame.audio), len(frame.audio))
            self._add("sound", who="bot", rate=frame.sample_rate, context=context, sound=sound)
            return
        assert self._push is not None
        source: Any = self._push.source
        self._add(
            "frame",
            frame=type(frame).__name__,
            **{"from": f"service {self._services.index(source)}"},
            to="down" if self._push.direction == FrameDirection.DOWNSTREAM else "up",
            fields=self._plain(fields_of(frame, self._epoch_ms)),
        )

    def tapped(self, service: int, way: WireWay, message: bytes) -> None:
        """See what passes a link."""
        if way == "sent":
            self._add(
                "wire", way=way, service=service, message=self._plain(_shortened(orjson.loads(message)))
            )

    def _plain(self, value: Any) -> Any:
        plain = orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
        return self._matcher.value(plain)

    def _add(self, kind: str, **fields: Any) -> None:
        t = round(now_ms() - self._epoch_ms, 2)
        self.entries.add({"n": len(self.entries) + 1, "t": t, "k": kind, **fields})


class _Answers:
    """Answers function calls as they were answered in the recording, and after as long."""

    def __init__(self, recording: Recording) -> None:
        self._runs = {tool.tool_call_id: tool for tool in recording.tools}

    def give_to(self, service: RealtimeService) -> None:
        """Take the place of a service's functions."""
        for name in {None, *(tool.name for tool in self._runs.values())}:
            service.register_function(name, self._answer)

    async def _answer(self, params: FunctionCallParams) -> None:
        tool = self._runs.get(params.tool_call_id)
        if tool is None:
            await params.result_callback({"error": "this call is not in the recording"})
            return
        if tool.ended_ms is None or tool.status != "done":
            await asyncio.Event().wait()
            return
        await asyncio.sleep((tool.ended_ms - tool.started_ms) / 1000)
        await params.result_callback(tool.result)


def _shortened(message: Any) -> Any:
    """Return a message with its sound replaced by how much it is."""
    if not isinstance(message, dict):
        return message
    event = cast("dict[str, Any]", message)
    for name in _SOUNDS:
        sound: Any = event.get(name)
        if isinstance(sound, str):
            return {**event, name: {"$bytes": len(sound) * 3 // 4 - sound[-2:].count("=")}}
    return event


def _hash(entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(orjson.dumps({**entry, "t": round(entry["t"])}, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


@contextmanager
def _chance_is_the_same() -> Generator[None]:
    """Waits before a reconnect are partly left to chance; here it is the same each time."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)
