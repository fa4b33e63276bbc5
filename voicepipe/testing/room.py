"""The caller's end of a pipeline: a transport whose far end says what it is told to, when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.transports.base_transport import BaseTransport

from voicepipe.audio.resampler import StreamResampler
from voicepipe.frames import (
    CancelFrame,
    CancelWorkerFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StopFrame,
)
from voicepipe.loops import now_ms
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.conversation_time import ConversationTime
from voicepipe.transports.sound import Sound
from voicepipe.transports.tracks import Tracks
from voicepipe.transports.wav_output import WavFileOutput

RATE: Final = 24000
_CHUNK_MS: Final = 20
_CHUNK: Final = 2 * RATE * _CHUNK_MS // 1000


class _Ears(Tracks):
    """Keeps what the bot said as it was heard, besides writing it down."""

    def __init__(self, stereo_path: Path | None) -> None:
        super().__init__(RATE, None, stereo_path)
        self.heard = bytearray()

    def bot(self, pcm: bytes) -> None:
        """Add to the bot's track."""
        self.heard += pcm
        super().bot(pcm)


class _HeardTime(ConversationTime):
    """A time axis on which what was heard can be looked up while it goes on."""

    def __init__(self, stereo_path: Path | None) -> None:
        super().__init__(RATE, None, None)
        self._where = stereo_path
        self._ears: _Ears | None = None

    def open(self) -> None:
        """Prick up the ears."""
        if self._ears is None:
            self._ears = self._tracks = _Ears(self._where)

    def heard_now(self) -> bytearray:
        """Return the bot's track up to now: s16le mono at `RATE`."""
        self.heard_ms("")
        return self._ears.heard if self._ears is not None else bytearray()


class _Mouth(FrameProcessor):
    """The transport's input: sound without a gap, silence where nothing is said.

    Args:
        time: The axis; gets what is said.
        observers: Are put to the pipeline that it becomes part of.
    """

    def __init__(self, time: ConversationTime, observers: Sequence[BaseObserver]) -> None:
        super().__init__()
        self._time = time
        self._observers = observers
        self._quiet = asyncio.Event()
        self._began = asyncio.Event()
        self._pending: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    async def say(self, pcm: bytes) -> None:
        """Say something, s16le mono at `RATE`, and return when it has been said, or when the pipeline ends."""
        if not pcm:
            return
        pcm += bytes(-len(pcm) % _CHUNK)
        self._pending.extend(pcm[at : at + _CHUNK] for at in range(0, len(pcm), _CHUNK))
        self._quiet.clear()
        if not self._is_over:
            await self._quiet.wait()

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Join the pipeline."""
        await super().setup(setup)
        for observer in self._observers:
            setup.pipeline_worker.add_observer(observer)
        setup.pipeline_worker.add_event_handler("on_pipeline_started", self._on_started)
        self._time.open()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all on, and fall silent at the end."""
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | StopFrame | CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Fall silent."""
        await super().cleanup()
        await self._stop()
        self._time.close()

    async def press(self, keys: str) -> None:
        """Press keys: digits, `*` and `#`."""
        for key in keys:
            await self.push_frame(InputDTMFFrame(KeypadEntry(key)))

    async def until_started(self) -> None:
        """Wait until the pipeline runs, or will not any more."""
        await self._began.wait()

    def end(self) -> None:
        """Say nothing any more."""
        self._is_over = True
        self._quiet.set()
        self._began.set()

    async def hang_up(self) -> None:
        """End the pipeline; at once if it is speaking, since nobody listens any more."""
        if self._is_over:
            return
        is_speaking = self._time.playing() is not None
        end = CancelWorkerFrame if is_speaking else EndWorkerFrame
        await self.push_frame(end(reason="the caller hung up"), FrameDirection.UPSTREAM)

    def _on_started(self, _worker: PipelineWorker, _frame: Frame) -> None:
        if not self._is_over and self._task is None:
            self._task = self.create_task(self._speak(), "speak")
            self._began.set()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)
        self.end()

    async def _speak(self) -> None:
        self._time.caller_began()
        next_ms, silence = now_ms(), bytes(_CHUNK)
        while True:
            # Absolute times: a late wake-up is caught up with by the next one.
            next_ms += _CHUNK_MS
            await asyncio.sleep(max(0.0, (next_ms - now_ms()) / 1000))
            pcm = self._pending.popleft() if self._pending else silence
            self._time.said(pcm, RATE)
            await self.push_frame(InputAudioRawFrame(pcm, RATE, 1))
            if pcm is not silence and not self._pending:
                self._quiet.set()


class Room(BaseTransport):
    """Where the caller and a bot's pipeline meet.

    Args:
        stereo_path: Where both are written on one time axis, the caller left; None is nowhere.
        on_end: Called when the pipeline ends.
    """

    def __init__(self, *, stereo_path: Path | None = None, on_end: Callable[[], None]) -> None:
        super().__init__()
        self.observers: list[BaseObserver] = []
        """Are put to the pipeline when it is set up."""
        self._on_end = on_end
        self._has_ended = False
        self._time = _HeardTime(stereo_path)
        self._mouth = _Mouth(self._time, self.observers)
        # Who watches here watches frames, and needs no second one.
        self._output = WavFileOutput(AnswerWatch(0.0), self._time)

    def input(self) -> FrameProcessor:
        """The processor that speaks."""
        return self._mouth

    def output(self) -> FrameProcessor:
        """The processor that listens."""
        return self._output

    # The caller.

    @property
    def has_ended(self) -> bool:
        """Whether the pipeline has ended: what the bot said last has been heard."""
        return self._has_ended

    async def say(self, sound: Sound) -> None:
        """Say something, and return when it has been said."""
        resampler = StreamResampler(sound.sample_rate, RATE)
        await self._mouth.say(resampler.process(sound.pcm) + resampler.flush())

    async def until_started(self) -> None:
        """Wait until the pipeline runs, or will not any more."""
        await self._mouth.until_started()

    def end(self) -> None:
        """Take note that there is no pipeline any more, or never was."""
        self._has_ended = True
        self._mouth.end()
        self._on_end()

    async def press(self, keys: str) -> None:
        """Press keys."""
        await self._mouth.press(keys)

    async def hang_up(self) -> None:
        """Go."""
        await self._mouth.hang_up()

    def heard_ms(self) -> float:
        """Return how long the caller has listened."""
        return len(self._time.heard_now()) * 500 / RATE

    def heard(self, from_ms: float) -> Sound:
        """Return what the caller has heard from then to now."""
        return Sound(bytes(self._time.heard_now()[2 * round(from_ms * RATE / 1000) :]), RATE)
