"""`CallRecorder`: records a call while it runs, as an observer of its pipeline and a tap on its services' wires."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from loguru import logger
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import (
    Frame,
    InputAudioRawFrame,
    InputImageRawFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
)
from voicepipe.realtime.backlog import Backlog
from voicepipe.realtime.link import WireWay
from voicepipe.realtime.service import RealtimeService
from voicepipe.telemetry.calls import CallInfo, Fault, ToolRun, Turn
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.telemetry.meter import Account, CallMeter
from voicepipe.telemetry.observer import CallObserver
from voicepipe.telemetry.plain import as_json
from voicepipe.telemetry.recording.archive import archive_of, pack
from voicepipe.telemetry.recording.entries import RecordingError
from voicepipe.telemetry.recording.frames import KINDS, fields_of
from voicepipe.telemetry.recording.layout import FORMAT, TRACKS, VERSION, Kind
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.telemetry.recording.scribe import CallScribe
from voicepipe.telemetry.recording.tracks import write_tracks
from voicepipe.telemetry.recording.writer import (
    Event,
    Fact,
    Moment,
    RecordingFiles,
    SoundEvent,
    WireEvent,
    Writer,
)
from voicepipe.telemetry.usage import Used

_TIMES: Final = ("started_ms", "ended_ms", "at_ms", "user_stopped_ms", "bot_started_ms", "bot_stopped_ms")
_PACKAGES: Final = ("voicepipe", "pipecat-ai", "websockets", "numpy", "pydantic")


class CallRecorder(FirstHopObserver):
    """Writes one folder for a call: everything on the wire, the frames that matter, and both parties' sound.

        recorder = CallRecorder("recordings/call-1", [llm])
        await run(pipeline, observers=[recorder])

    Look at it with `voicepipe inspect recordings/call-1`, run it again with `voicepipe replay recordings/call-1`. What is
    on the disk survives a crash at any moment; how the files look is described in `docs/recordings.md`.

    Args:
        folder: Where the recording goes; made when the call begins.
        services: The realtime services of the pipeline, whose wires are tapped.
        info: What is known of the call; with a telephone its numbers.
        masking: What is not written down.
        meter: Keeps the account; one of its own, no other observer may feed it.
        zip: Whether the folder becomes one file, `FOLDER.zip`, when the call is over. What breaks off stays a folder.
    """

    def __init__(
        self,
        folder: str | Path,
        services: Sequence[RealtimeService] = (),
        *,
        info: CallInfo | None = None,
        masking: Masking | None = None,
        meter: CallMeter | None = None,
        zip: bool = False,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        """Where the recording is."""
        self.info = info or CallInfo()
        """What is known of the call."""
        self._zip = zip
        self._masking = masking or Masking()
        self._services = tuple(services)
        self._writer: Writer | None = None
        self._is_over = False
        self._count = 0
        self._epoch_secs = 0.0
        self._push: FramePushed | None = None
        self._caller: FrameProcessor | None = None
        self._turns: dict[int, Turn] = {}
        self._used: Used | None = None
        self._is_ending = False
        self._image_secs = float("-inf")
        self._call = CallObserver(self, meter)
        for index, service in enumerate(self._services):
            service.wire_link.taps.append(partial(self._tapped, index))

    @property
    def dropped(self) -> int:
        """How many events were left out because the disk did not keep up."""
        return self._writer.dropped if self._writer else 0

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the disk, roughly; it is bounded."""
        return self._writer.waiting_bytes if self._writer else 0

    def backlog(self) -> Backlog:
        """Return what waits for the disk, and how much found no room."""
        return Backlog("recording", self.waiting_bytes, self.dropped)

    @contextmanager
    def private(self) -> Generator[None]:
        """Keep neither words nor the caller's sound of what happens meanwhile."""
        self._fact("note", {"private": True})
        try:
            yield
        finally:
            self._fact("note", {"private": False})

    def note(self, text: str, **fields: Any) -> None:
        """Put a remark of the application's into the recording."""
        self._fact("note", {"text": text, **fields})

    # Life.

    async def on_pipeline_started(self) -> None:
        """Begin, if no wire has been seen before."""
        self._open()
        await self._call.on_pipeline_started()

    async def cleanup(self) -> None:
        """Finish the recording with the pipeline's end."""
        await super().cleanup()
        await self.close()

    async def close(self) -> None:
        """Finish the recording: the account, the end, both tracks as a WAV file. May be called more than once."""
        if self._is_over or self._writer is None:
            self._is_over = True
            return
        self._is_ending = True
        await self._call.cleanup()
        self._write_turns()
        reason, detail = self._call.end or ("", "")
        self._fact("end", {"reason": reason, "detail": detail, "dropped": self._writer.dropped})
        self._is_over = True
        await asyncio.to_thread(self._writer.close)

    def _open(self) -> None:
        if self._writer is not None or self._is_over:
            return
        self._epoch_secs = asyncio.get_running_loop().time()
        try:
            files = RecordingFiles(self.folder)
        except OSError as error:
            # A call is worth more than its recording.
            self._is_over = True
            logger.error(f"the call is not recorded: {self.folder}: {error.strerror}")
            return

        def finish() -> None:
            files.close()
            self._write_tracks()
            if self._zip:
                self._pack()

        self._writer = Writer(CallScribe(files, self._masking.matcher()), finish)
        self._fact("header", self._header())

    def _write_tracks(self) -> None:
        try:
            write_tracks(self.folder)
        except (OSError, RecordingError) as error:
            # A reader makes them of what is there, once it is asked for them.
            logger.error(f"the recording has no {TRACKS} yet: {self.folder}: {error}")

    def _pack(self) -> None:
        try:
            pack(self.folder)
        except OSError as error:
            logger.error(f"the recording stays a folder: {self.folder}: {error.strerror or error}")

    @property
    def place(self) -> Path:
        """Where the recording is: the folder, or the zip that was made of it."""
        archive = archive_of(self.folder)
        return archive if self._zip and self._is_over and archive.is_file() else self.folder

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "started_at": datetime.now(UTC).isoformat(),
            "call": asdict(self.info),
            "services": [
                {
                    "class": f"{type(service).__module__}:{type(service).__qualname__}",
                    "name": service.name,
                    "input_sample_rate": service.session.input_sample_rate,
                    "output_sample_rate": service.session.output_sample_rate,
                    "interruptions": asdict(service.interruptions),
                }
                for service in self._services
            ],
            "versions": {"python": platform.python_version(), **dict(_versions())},
        }

    # What is seen.

    def _tapped(self, service: int, way: WireWay, message: bytes) -> None:
        self._open()
        self._put(WireEvent(self._moment(), service, way, message))

    async def on_push_frame(self, data: FramePushed) -> None:
        """Write down what matters, once."""
        if self._is_over or not data.first_push:
            return
        self._open()
        self._push = data
        await super().on_push_frame(data)
        await self._call.on_push_frame(data)
        if isinstance(data.frame, LLMFullResponseEndFrame):
            self._write_turns()

    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether frames of a class are written down."""
        return frame_type in KINDS or issubclass(frame_type, InputAudioRawFrame | OutputAudioRawFrame)

    def observed(self, frame: Frame, at_ms: float) -> None:  # noqa: ARG002
        """Write a frame down, at the time of the event loop, on which playback is reported too."""
        assert self._push is not None
        if isinstance(frame, InputAudioRawFrame | OutputAudioRawFrame):
            self._sound(frame, self._push.source)
        elif not isinstance(frame, InputImageRawFrame) or self._is_image_due():
            self._frame(frame, self._push)

    def _is_image_due(self) -> bool:
        """Whether an image is written down: of a camera's, one a second says enough."""
        now_secs = asyncio.get_running_loop().time()
        if now_secs - self._image_secs < 1.0:
            return False
        self._image_secs = now_secs
        return True

    def _sound(self, frame: InputAudioRawFrame | OutputAudioRawFrame, source: FrameProcessor) -> None:
        if isinstance(source, AudioResampler) or frame.num_channels != 1:
            return
        if isinstance(frame, InputAudioRawFrame):
            # What others make of the caller's sound, such as a filter, is not what he said.
            self._caller = self._caller or source
            if source is self._caller:
                self._put(SoundEvent(self._moment(), "caller", frame.sample_rate, "", frame.audio))
            return
        context_id = (frame.context_id if isinstance(frame, TTSAudioRawFrame) else None) or ""
        self._put(SoundEvent(self._moment(), "bot", frame.sample_rate, context_id, frame.audio))

    def _frame(self, frame: Frame, data: FramePushed) -> None:
        source = data.source
        is_ours = isinstance(source, RealtimeService) and source in self._services
        self._fact(
            "frame",
            {
                "frame": type(frame).__name__,
                "from": f"service {self._services.index(source)}" if is_ours else type(source).__name__,
                "to": "down" if data.direction == FrameDirection.DOWNSTREAM else "up",
                "both": frame.broadcast_sibling_id is not None,
                "fields": fields_of(frame, 1000 * self._epoch_secs),
            },
        )

    # What the account of the call says; the recorder is its sink.

    def turn(self, turn: Turn) -> None:
        """Take a turn; it is written when it rests, since it changes with each word."""
        if turn.index not in self._turns:
            self._write_turns()
        self._turns[turn.index] = replace(turn)

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function."""
        # Not `asdict`, which copies deeply: what a function gives may not be copied.
        self._fact("tool", self._on_our_axis({one.name: getattr(tool, one.name) for one in fields(tool)}))

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        self._fact("fault", self._on_our_axis(asdict(fault)))

    def account(self, account: Account) -> None:
        """Take the account."""
        if self._used == account.used and not self._is_ending:
            return
        self._used = account.used
        cost = account.cost
        self._fact(
            "account",
            {
                "call_secs": account.call_secs,
                "used": asdict(account.used),
                "cost": dict(cost.parts),
                "total": cost.total,
                "known": cost.known,
            },
        )

    def _write_turns(self) -> None:
        turns, self._turns = self._turns, {}
        for turn in turns.values():
            self._fact("turn", self._on_our_axis(asdict(turn)))

    def _on_our_axis(self, part: dict[str, Any]) -> dict[str, Any]:
        """Count a part's times from where all others are counted from: the first connection, not the pipeline's start."""
        later_ms = (self._call.began_ms or 0.0) - 1000 * self._epoch_secs
        times = {name: part[name] for name in _TIMES if part.get(name) is not None}
        return {**part, **{name: round(at_ms + later_ms, 1) for name, at_ms in times.items()}}

    # On to the writer.

    def _moment(self) -> Moment:
        self._count += 1
        t = (asyncio.get_running_loop().time() - self._epoch_secs) * 1000
        return Moment(self._count, round(t, 2), round(time.time() * 1000))

    def _fact(self, kind: Kind, fields: Mapping[str, Any]) -> None:
        # Made plain at once: what a frame holds may be changed by whoever gets it next.
        self._put(Fact(self._moment(), kind, as_json(fields)))

    def _put(self, event: Event) -> None:
        if self._writer is not None and not self._is_over:
            self._writer.put(event)


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
