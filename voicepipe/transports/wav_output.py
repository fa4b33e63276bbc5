"""The ear of a WAV transport: hears the bot on a clock, and says upstream how far it has heard."""

from __future__ import annotations

import asyncio

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from voicepipe.audio.resampler import StreamResampler
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.loops import now_ms
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.conversation_time import ConversationTime


class WavFileOutput(FrameProcessor):
    """Plays the bot's sound to a listener who hears it at its own speed.

    The bot is said to have started when its sound begins to play and to have stopped when all of it has been played after
    its `TTSStoppedFrame`; running dry before that is no stop. A `PlaybackMarkFrame` goes upstream when playback of a
    response begins, goes on after it ran dry, runs dry or ends, and when it is cut.

    Args:
        watch: Is told of responses.
        time: The axis; gets what is heard.
    """

    def __init__(self, watch: AnswerWatch, time: ConversationTime, *, name: str | None = None) -> None:
        super().__init__(name=name, enable_direct_mode=True)
        self._watch = watch
        self._time = time
        self._resampler: StreamResampler | None = None
        self._context_id = ""
        self._is_open = False
        self._is_speaking = False
        self._refused_channels = False
        self._following: asyncio.Task[None] | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Open the files, so that one that cannot be written fails here.

        Raises:
            OSError: A file cannot be written.
        """
        await super().setup(setup)
        self._time.open()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hear sound, and pass all on; an EndFrame when all has been played."""
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputAudioRawFrame):
            await self._hear(frame)
        elif isinstance(frame, InterruptionFrame):
            await self._cut()
        elif isinstance(frame, UserStartedSpeakingFrame | ProposedUserStartedSpeakingFrame):
            # Told here, not at the input: on this side they stay in order with the answer, however quick that is.
            self._watch.user_started(now_ms())
        elif isinstance(frame, UserStoppedSpeakingFrame | ProposedUserStoppedSpeakingFrame):
            self._watch.user_stopped(now_ms())
        elif isinstance(frame, LLMFullResponseStartFrame):
            self._watch.response_started(now_ms())
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._watch.response_ended(now_ms())
        elif isinstance(frame, TTSStartedFrame):
            self._is_open = True
        elif isinstance(frame, TTSStoppedFrame):
            await self._end_of_speech()
        elif isinstance(frame, EndFrame | StopFrame):
            await self._end_of_speech()
            await self._play_out()
            self._time.close()
        elif isinstance(frame, CancelFrame):
            await self._stop_following()
            self._time.close()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Stop listening and finish the files."""
        await super().cleanup()
        await self._stop_following()
        self._time.close()

    async def _hear(self, frame: OutputAudioRawFrame) -> None:
        if frame.num_channels != 1:
            await self._refuse_channels(frame.num_channels)
            return
        context_id = (frame.context_id if isinstance(frame, TTSAudioRawFrame) else None) or ""
        if context_id != self._context_id:
            await self._play(self._context_id, self._tail())
            self._context_id = context_id
        await self._play(context_id, self._at_our_rate(frame))

    def _at_our_rate(self, frame: OutputAudioRawFrame) -> bytes:
        if self._resampler is None or self._resampler.in_rate != frame.sample_rate:
            self._resampler = StreamResampler(frame.sample_rate, self._time.sample_rate)
        return self._resampler.process(frame.audio)

    def _tail(self) -> bytes:
        return self._resampler.flush() if self._resampler is not None else b""

    async def _play(self, context_id: str, pcm: bytes) -> None:
        if not self._time.arrived(context_id, pcm):
            return
        began, self._is_speaking = not self._is_speaking, True
        if self._following is None:
            self._following = self.create_task(self._follow(), "follow")
        await self._mark(context_id)
        if began:
            await self.broadcast_frame(BotStartedSpeakingFrame)

    async def _follow(self) -> None:
        """Go along with what is played, and say when one response gives way to the next or to quiet."""
        while (playing := self._time.playing()) is not None:
            context_id, left_ms = playing
            await asyncio.sleep(left_ms / 1000)
            following = self._time.playing()
            if following is None or following[0] != context_id:
                await self._mark(context_id)
                if following is not None:
                    await self._mark(following[0])
        self._following = None
        await self._say_stopped()

    async def _end_of_speech(self) -> None:
        await self._play(self._context_id, self._tail())
        self._is_open = False
        if self._following is None:
            await self._say_stopped()

    async def _play_out(self) -> None:
        # Not the task itself: a barge-in or a CancelFrame cancels it, and that is no reason to cancel this.
        if self._following is not None:
            await asyncio.wait([self._following])

    async def _cut(self) -> None:
        cuts = self._time.cut()
        self._is_open = False
        if self._resampler is not None:
            self._resampler.reset()
        await self._stop_following()
        for cut in cuts:
            mark = PlaybackMarkFrame(context_id=cut.context_id, played_ms=cut.played_ms, at_ms=cut.at_ms)
            await self.push_frame(mark, FrameDirection.UPSTREAM)
        await self._say_stopped()

    async def _mark(self, context_id: str) -> None:
        played_ms = self._time.heard_ms(context_id)
        mark = PlaybackMarkFrame(context_id=context_id, played_ms=played_ms, at_ms=now_ms())
        await self.push_frame(mark, FrameDirection.UPSTREAM)

    async def _say_stopped(self) -> None:
        if self._is_speaking and not self._is_open:
            self._is_speaking = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _stop_following(self) -> None:
        task, self._following = self._following, None
        if task is not None:
            await self.cancel_task(task)

    async def _refuse_channels(self, channels: int) -> None:
        if not self._refused_channels:
            self._refused_channels = True
            await self.push_error(f"num_channels: the listener hears mono, the sound has {channels} channels")
