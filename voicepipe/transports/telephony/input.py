"""The caller's side of a telephony transport: sound and keys come in, and the end of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import ClientConnectedFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup

from voicepipe.errors import CarrierStreamError
from voicepipe.frames import (
    CancelFrame,
    CodedInputAudioRawFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StartFrame,
    StopFrame,
)
from voicepipe.hops import SoundHops, sound_goes_around
from voicepipe.rests import Rest, joined
from voicepipe.transports.telephony.chunk_order import ChunkOrder
from voicepipe.transports.telephony.events import (
    CarrierEvent,
    Complaint,
    KeyPressed,
    MarkReturned,
    SoundArrived,
    StreamStopped,
)
from voicepipe.transports.telephony.line_codec import G711, LineCodec
from voicepipe.transports.telephony.stream import MediaStream

OnMark = Callable[[str], Rest]
OnClient = Callable[[], Awaitable[None]]


class TelephonyInput(SoundHops):
    """Pushes what the caller says and presses, as soon as it is there; at the end of the call it ends the pipeline.

    Args:
        stream: The carrier's stream; it is started in `setup`, while the other processors set themselves up.
        on_mark: Called with the name of each mark that comes back.
        on_connected: Awaited once, when the pipeline has started.
        on_disconnected: Awaited once, if the carrier ends the stream.
    """

    def __init__(
        self,
        stream: MediaStream,
        *,
        on_mark: OnMark,
        on_connected: OnClient,
        on_disconnected: OnClient,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._stream = stream
        self._on_mark = on_mark
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._order = ChunkOrder()
        self._reading: asyncio.Task[None] | None = None
        self._is_over = False
        self._has_hung_up = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Wait for the carrier's start; without one the pipeline cannot run, and an error says so."""
        await super().setup(setup)
        try:
            await self._stream.start()
        except CarrierStreamError as error:
            await self.push_error(str(error), error, force_treat_as_permanent=True)

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Begin and end with the pipeline; pass all on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | StopFrame):
            # Marks are still to be read: what the bot said last is to be heard.
            self._is_over = True
        elif isinstance(frame, CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._stream.is_open and self._reading is None:
            await self._on_connected()
            await self.push_frame(ClientConnectedFrame())
            self._reading = self.create_task(self._read(), "read")

    async def cleanup(self) -> None:
        """Stop reading."""
        await super().cleanup()
        await self._stop()

    async def hung_up(self) -> None:
        """Take note that the carrier's side is gone, and end the pipeline. May be called more than once."""
        if self._has_hung_up or not self._stream.is_open:
            return
        self._has_hung_up = True
        await self._on_disconnected()
        gone = (
            "nothing came from the carrier for too long" if self._stream.was_silent else "the caller hung up"
        )
        await self.push_frame(EndWorkerFrame(reason=gone), FrameDirection.UPSTREAM)

    async def _stop(self) -> None:
        self._is_over = True
        task, self._reading = self._reading, None
        if task is not None:
            await self.cancel_task(task)

    async def _read(self) -> None:
        await self._stream.carry(self._act_on)
        await self.hung_up()

    def _act_on(self, event: CarrierEvent) -> Rest:
        if isinstance(event, SoundArrived):
            return self._hear(event)
        if isinstance(event, MarkReturned):
            return self._on_mark(event.name)
        if isinstance(event, KeyPressed):
            return partial(self._press, event.key)
        if isinstance(event, Complaint):
            return partial(self.push_error, f"{self._stream.wire.name}: {event.message}")
        if isinstance(event, StreamStopped):
            return self.hung_up
        return None

    def _hear(self, event: SoundArrived) -> Rest:
        if self._is_over:
            return None
        wire = self._stream.wire
        if wire.keeps_order:
            return self.hop.push(_frame(event.sound, wire.incoming))
        sounds = self._order.take(event.chunk, event.sound)
        return joined([self.hop.push(_frame(sound, wire.incoming)) for sound in sounds])

    async def _press(self, key: str) -> None:
        if self._is_over:
            return
        if key not in set(KeypadEntry):
            # Telephones have sixteen keys, Pipecat knows twelve of them.
            logger.warning(f"{self}: the key {key!r} has no frame and is passed over")
            return
        await self.push_frame(InputDTMFFrame(KeypadEntry(key)))


def _frame(sound: bytes, codec: LineCodec) -> InputAudioRawFrame:
    if codec.name not in G711:
        return InputAudioRawFrame(codec.decode(sound), codec.sample_rate, 1)
    return CodedInputAudioRawFrame(
        b"", codec.sample_rate, 1, coding=codec.name, coded=sound, decode=codec.decode
    )
