"""The bot's side of a telephony transport: what it says goes out as it comes, and what was heard of it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from loguru import logger
from pipecat.processors.frame_processor import FrameDirection

from voicepipe.audio.dtmf import dtmf_sound
from voicepipe.audio.resampler import StreamResampler
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    CodedTTSAudioRawFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    PlaybackMarkFrame,
    StartFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from voicepipe.hops import SOUND, USERS_SOUND, SoundHops, sound_goes_around
from voicepipe.loops import now_ms
from voicepipe.realtime.backlog import Backlog
from voicepipe.rests import Rest, after, done, joined
from voicepipe.transports.telephony.one_way import OneWayProbe
from voicepipe.transports.telephony.packer import Packer
from voicepipe.transports.telephony.playout import Playout, Position
from voicepipe.transports.telephony.stream import MediaStream


class TelephonyOutput(SoundHops):
    """Sends the bot's sound to the carrier, which plays it at its own pace, and counts what was heard by its marks.

    After each message of sound a mark goes out; when it comes back, a `PlaybackMarkFrame` goes upstream. The bot has started
    to speak when the carrier begins to play, and has stopped when all of it was played after its `TTSStoppedFrame`. At an
    interruption the carrier's `clear` is the next message it gets.

    Args:
        stream: The carrier's stream, started by the input.
        on_dead: Awaited if the socket takes nothing any more.
    """

    passed_by = USERS_SOUND

    def __init__(
        self, stream: MediaStream, *, on_dead: Callable[[], Awaitable[None]], name: str | None = None
    ) -> None:
        super().__init__(name=name, enable_direct_mode=True)
        self._stream = stream
        self._on_dead = on_dead
        self._playout = Playout()
        self._packer: Packer | None = None
        self._resampler: StreamResampler | None = None
        self._probe = OneWayProbe(stream, self.push_error)
        self._context_id = ""
        self._is_open = False
        self._is_speaking = False
        self._line_is_up = True
        self._is_played = asyncio.Event()
        self._is_played.set()
        self._due_secs = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._overdue: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._refused_channels = False

    # Frames.

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Send sound and keys, and pass all on; an EndFrame when all has been heard."""
        if isinstance(frame, InterruptionFrame):
            # Before anything else is done with it: each message that goes out earlier is heard for longer.
            self._clear()
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputAudioRawFrame) or type(frame) in SOUND:
            await done(self.process_sound(frame, direction))
            return
        await self._act_on(frame)
        await self.push_frame(frame, direction)

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Send sound of the bot's, and pass it on."""
        rest = self._say(frame) if isinstance(frame, OutputAudioRawFrame) else None
        if rest is None:
            return self.hop.push(frame, direction)
        return after(rest, lambda: self.hop.push(frame, direction))

    async def _act_on(self, frame: Frame) -> None:
        if isinstance(frame, StartFrame):
            self._start()
        elif isinstance(frame, InterruptionFrame):
            await self._cut()
        elif isinstance(frame, OutputDTMFFrame | OutputDTMFUrgentFrame):
            await self._press("".join(key.value for key in frame.buttons or []))
        elif isinstance(frame, TTSStartedFrame):
            self._is_open = True
        elif isinstance(frame, TTSStoppedFrame):
            await self._end_of_speech()
        elif isinstance(frame, EndFrame | StopFrame):
            await self._play_out()
            await self._close()
        elif isinstance(frame, CancelFrame):
            await self._close()

    def backlog(self) -> Backlog:
        """Return what waits for the carrier, and how much sound found no room."""
        return self._stream.backlog()

    async def cleanup(self) -> None:
        """Leave no task and no socket behind."""
        await super().cleanup()
        await self._close()

    # What the carrier says.

    def mark_returned(self, name: str) -> Rest:
        """Take a mark that came back."""
        if self._probe.returned(name):
            return None
        rest = joined([self._tell(position) for position in self._playout.returned(name, now_ms())])
        if self._playout.is_playing:
            self._expect_marks()
        elif not self._is_played.is_set():
            return joined([rest, self._all_is_played])
        return rest

    async def line_ended(self) -> None:
        """Take note that the carrier has left: nothing is heard any more, and no mark comes back."""
        self._line_is_up = False
        self._playout.give_up()
        await self._all_is_played()

    # Sound.

    def _start(self) -> None:
        if self._writing is None and self._stream.is_open:
            self._packer = Packer(self._stream.wire)
            self._writing = self.create_task(self._write(), "write")
            self._probing = self.create_task(self._probe.run(), "probe")

    async def _write(self) -> None:
        await self._stream.write()
        await self._on_dead()

    def _say(self, frame: OutputAudioRawFrame) -> Rest:
        if frame.num_channels != 1:
            return partial(self._refuse_channels, frame.num_channels)
        context_id = (frame.context_id if isinstance(frame, TTSAudioRawFrame) else None) or ""
        if context_id != self._context_id:
            return after(self._turn_to(context_id), lambda: self._say_on(frame))
        return self._say_on(frame)

    def _say_on(self, frame: OutputAudioRawFrame) -> Rest:
        coded = self._as_on_the_line(frame)
        return self._send_coded(coded) if coded else self._send(self._at_line_rate(frame))

    def _turn_to(self, context_id: str) -> Rest:
        rest = self._finish_sound()
        self._context_id = context_id
        return rest

    def _as_on_the_line(self, frame: OutputAudioRawFrame) -> bytes:
        """Return sound that is coded as the line has it and at its rate; nothing of any other."""
        if (
            self._resampler is not None
            or not isinstance(frame, CodedTTSAudioRawFrame)
            or not self._stream.is_open
        ):
            return b""
        line = self._stream.wire.outgoing
        fits = (frame.coding, frame.sample_rate) == (line.name, line.sample_rate)
        return frame.coded if fits else b""

    def _at_line_rate(self, frame: OutputAudioRawFrame) -> bytes:
        if not self._stream.is_open:
            return b""
        rate = self._stream.wire.outgoing.sample_rate
        if self._resampler is None or (self._resampler.in_rate, self._resampler.out_rate) != (
            frame.sample_rate,
            rate,
        ):
            self._resampler = StreamResampler(frame.sample_rate, rate)
        return self._resampler.process(frame.audio)

    def _finish_sound(self) -> Rest:
        """Send what the filter and the packer still hold of a response."""
        flushed = self._send(self._resampler.flush()) if self._resampler is not None else None
        held = self._packer.rest() if self._packer is not None else []
        return joined([flushed, *[self._send_piece(piece) for piece in held]])

    def _send(self, pcm: bytes) -> Rest:
        if not pcm or not self._stream.is_open:
            return None
        return self._send_coded(self._stream.wire.outgoing.encode(pcm))

    def _send_coded(self, sound: bytes) -> Rest:
        if self._packer is None:
            return None
        pieces = self._packer.pieces(sound)
        return joined([self._send_piece(piece) for piece in pieces])

    def _send_piece(self, sound: bytes) -> Rest:
        """Send sound; what is left to be awaited is to tell who waits for it."""
        if not self._line_is_up or not self._stream.is_open or self._probe.only_listens:
            return None
        wire, was_idle, now = self._stream.wire, not self._playout.is_playing, now_ms()
        tells_begin = wire.answers_idle_marks and not self._probe.gets_no_marks
        media, duration_ms = wire.media(sound), wire.outgoing.duration_ms(sound)
        if not self._stream.has_room_for(media):
            return None
        begin = [wire.mark(self._playout.begins(self._context_id))] if was_idle and tells_begin else []
        end = wire.mark(self._playout.sent(self._context_id, duration_ms, now))
        self._stream.send(*begin, media, end)
        if self._is_played.is_set():
            self._is_played.clear()
            self._expect_marks()
        if was_idle and not tells_begin:
            sent_before_ms = self._playout.sent_ms(self._context_id) - duration_ms
            return self._tell(Position(self._context_id, sent_before_ms, now))
        return None

    async def _end_of_speech(self) -> None:
        await done(self._finish_sound())
        self._is_open = False
        if not self._playout.is_playing:
            await self._say_stopped()

    async def _press(self, keys: str) -> None:
        if not self._stream.is_open:
            return
        wire = self._stream.wire
        message = wire.dtmf(keys)
        if message is not None:
            self._stream.send(message)
        else:
            # In the band, as a telephone does it: whoever is at the other end hears them.
            await done(self._turn_to(""))
            await done(self._send(dtmf_sound(keys, wire.outgoing.sample_rate)))
            await done(self._finish_sound())

    # What was heard.

    def _expect_marks(self) -> None:
        """Look again when the last mark should be here, counted from now: sound was sent, or a mark came."""
        grace_secs = 0.0 if self._probe.gets_no_marks else self._stream.limits.marks_secs
        in_secs = self._playout.overdue_in_ms(now_ms()) / 1000 + grace_secs
        self._due_secs = asyncio.get_running_loop().time() + in_secs
        if self._timer is None:
            self._look_when_due()

    def _look_when_due(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._due_secs, self._look)

    def _look(self) -> None:
        self._timer = None
        # In the loop's own seconds: rounded to another unit, a timer that is due would not be, for ever on a virtual clock.
        if self._playout.is_playing and asyncio.get_running_loop().time() < self._due_secs:
            self._look_when_due()
        elif self._playout.is_playing and self._overdue is None:
            self._overdue = self.create_task(self._marks_are_overdue(), "marks are overdue")

    async def _marks_are_overdue(self) -> None:
        # Unless more was sent meanwhile.
        if self._playout.overdue_in_ms(now_ms()) <= 0:
            await self._marks_are_missing()
            await self._all_is_played()
        elif self._playout.is_playing:
            self._expect_marks()
        self._overdue = None

    async def _all_is_played(self) -> None:
        self._is_played.set()
        await self._say_stopped()

    async def _marks_are_missing(self) -> None:
        missing = self._playout.give_up()
        if not self._probe.gets_no_marks:
            logger.warning(f"{self}: {missing} marks did not come back, their sound is taken for played")
            await self._probe.no_marks()

    def _tell(self, position: Position) -> Rest:
        began, self._is_speaking = not self._is_speaking, True
        rest = self._push_mark(position)
        return joined([rest, partial(self.broadcast_frame, BotStartedSpeakingFrame)]) if began else rest

    def _push_mark(self, position: Position) -> Rest:
        mark = PlaybackMarkFrame(
            context_id=position.context_id, played_ms=position.played_ms, at_ms=position.at_ms
        )
        return self.hop.push(mark, FrameDirection.UPSTREAM)

    async def _say_stopped(self) -> None:
        if self._is_speaking and not self._is_open:
            self._is_speaking = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    # Interruption and end.

    def _clear(self) -> None:
        if self._stream.is_open:
            self._stream.send_instead(self._stream.wire.clear())

    async def _cut(self) -> None:
        positions = self._playout.cut(now_ms())
        self._is_open = False
        if self._resampler is not None:
            self._resampler.reset()
        if self._packer is not None:
            self._packer.reset()
        await self._expect_no_marks()
        for position in positions:
            await done(self._push_mark(position))
        await self._say_stopped()

    async def _play_out(self) -> None:
        await done(self._finish_sound())
        self._is_open = False
        await self._is_played.wait()
        if self._writing is not None:
            await self._stream.until_sent()

    async def _close(self) -> None:
        await self._expect_no_marks()
        writing, self._writing = self._writing, None
        probing, self._probing = self._probing, None
        for task in (writing, probing):
            if task is not None:
                await self.cancel_task(task)
        await self._stream.close()

    async def _expect_no_marks(self) -> None:
        self._is_played.set()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        task, self._overdue = self._overdue, None
        if task is not None:
            await self.cancel_task(task)

    async def _refuse_channels(self, channels: int) -> None:
        if not self._refused_channels:
            self._refused_channels = True
            await self.push_error(f"num_channels: a telephone takes mono, the sound has {channels} channels")
