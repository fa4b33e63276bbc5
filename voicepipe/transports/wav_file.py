"""A transport whose far end is a WAV file: questions come in, and what a listener would have heard goes out.

It does not stand on Pipecat's base transports: their output cuts sound into 40 ms pieces, paces by sleeping and guesses
that the bot stopped after 0.35 s of quiet. Here the listener's clock is exact, so that tests can ask what was heard when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loguru import logger
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import AudioFormatError
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.listener import Cut, Listener
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.tracks import Tracks


@dataclass(frozen=True, slots=True)
class Question:
    """Something a caller says.

    Parameters:
        sound: The sound of it.
        barge_in_after_ms: If given, it is not said after the last answer is over but into that answer, when the bot
            has been heard for so long.
    """

    sound: Sound
    barge_in_after_ms: float | None = None


class WavFileTransport(BaseTransport):
    """Asks questions from WAV files and writes down what a listener would have heard.

        transport = WavFileTransport("question.wav", answer_path="answer.wav")
        await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))

    After each question there is silence until the answer is over; after the last one the pipeline is ended.

    Args:
        questions: A file, a `Sound` or a `Question`, or several of them, asked one after the other.
        answer_path: Where the bot's sound is written, as it was heard; what comes before its first sound is left out.
        stereo_path: Where both are written on one time axis: the caller left, the bot right.
        sample_rate: Of what is written, in hertz.
        pace: `real` gives sound as a microphone would, every chunk when its last sample is there; `fast` gives a question at
            once, and only the silence after it takes its time.
        chunk_ms: How much sound a frame holds.
        linger_ms: How long it must have been quiet after an answer.
        answer_timeout_secs: How long an answer is waited for; then the next question is asked.

    Raises:
        FileNotFoundError: There is no such file.
        AudioFormatError: It is not a WAV file or holds no sound, or there is no question at all.
    """

    def __init__(
        self,
        questions: str | Path | Sound | Question | Sequence[str | Path | Sound | Question],
        *,
        answer_path: str | Path | None = None,
        stereo_path: str | Path | None = None,
        sample_rate: int = 24000,
        pace: Literal["real", "fast"] = "real",
        chunk_ms: int = 20,
        linger_ms: float = 800.0,
        answer_timeout_secs: float = 20.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(questions, str | Path | Sound | Question):
            questions = [questions]
        if not questions:
            raise AudioFormatError("questions: there is none")
        self.unanswered = 0
        """How many questions got no answer in time."""
        self.cuts: list[Cut] = []
        """Where answers were cut by barge-ins."""
        self._watch = AnswerWatch(linger_ms)
        paths = [Path(path) if path is not None else None for path in (answer_path, stereo_path)]
        self._call = _Call(sample_rate, paths[0], paths[1], self.cuts)
        self._input = _Caller(
            self, [_question(one) for one in questions], pace == "real", chunk_ms, answer_timeout_secs * 1000
        )
        self._output = _Ear(self)

    def input(self) -> FrameProcessor:
        """The processor that asks."""
        return self._input

    def output(self) -> FrameProcessor:
        """The processor that listens."""
        return self._output

    def heard_ms(self, context_id: str) -> float:
        """Return how much of a response was heard by now; `context_id` is that of its sound."""
        return self._call.heard_ms(context_id)

    # What both ends share, for them alone.

    @property
    def watch(self) -> AnswerWatch:
        """Tells when an answer is over."""
        return self._watch

    @property
    def call(self) -> _Call:
        """The time axis and what was heard on it."""
        return self._call


def _question(one: str | Path | Sound | Question) -> Question:
    if isinstance(one, Question):
        return one
    return Question(one if isinstance(one, Sound) else read_wav(one))


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


class _Call:
    """The time axis of both parties, from the start of the pipeline."""

    def __init__(
        self, sample_rate: int, answer_path: Path | None, stereo_path: Path | None, cuts: list[Cut]
    ) -> None:
        self._sample_rate = sample_rate
        self._answer_path = answer_path
        self._stereo_path = stereo_path
        self._cuts = cuts
        self._listener: Listener | None = None
        self._tracks: Tracks | None = None
        self._caller_resampler: StreamResampler | None = None

    @property
    def sample_rate(self) -> int:
        return self._sample_rate

    def begin(self) -> None:
        if self._listener is None:
            self._listener = Listener(self._sample_rate, _now_ms())
            self._tracks = Tracks(self._sample_rate, self._answer_path, self._stereo_path)

    def said(self, pcm: bytes, sample_rate: int) -> None:
        """Take what the caller said; also brings the bot's track up to now, so that both grow together."""
        if self._tracks is None or self._listener is None:
            return
        if self._caller_resampler is None or self._caller_resampler.in_rate != sample_rate:
            self._caller_resampler = StreamResampler(sample_rate, self._sample_rate)
        self._tracks.caller(self._caller_resampler.process(pcm))
        self._tracks.bot(self._listener.track_until(_now_ms()))

    def arrived(self, context_id: str, pcm: bytes) -> bool:
        """Take the bot's sound; returns whether it plays at once because nothing else was playing."""
        if self._tracks is None or self._listener is None:
            return False
        now_ms = _now_ms()
        was_quiet = self._listener.remaining_ms(now_ms) <= 0
        self._tracks.bot(self._listener.arrived(context_id, pcm, now_ms))
        return was_quiet

    def cut(self) -> list[Cut]:
        if self._tracks is None or self._listener is None:
            return []
        track, cuts = self._listener.cut(_now_ms())
        self._tracks.bot(track)
        self._cuts += cuts
        return cuts

    def remaining_ms(self) -> float:
        return self._listener.remaining_ms(_now_ms()) if self._listener else 0.0

    def heard_ms(self, context_id: str) -> float:
        if self._listener is None:
            return 0.0
        if self._tracks is not None:
            self._tracks.bot(self._listener.track_until(_now_ms()))
        return self._listener.heard_ms(context_id)

    def end(self) -> None:
        if self._tracks is not None and self._listener is not None:
            self._tracks.bot(self._listener.track_until(_now_ms()))
            self._tracks.close()
        self._tracks = None


class _Caller(FrameProcessor):
    """Says the questions, and silence between them."""

    def __init__(
        self,
        transport: WavFileTransport,
        questions: list[Question],
        in_real_time: bool,
        chunk_ms: int,
        answer_timeout_ms: float,
    ) -> None:
        super().__init__()
        self._transport = transport
        self._questions = questions
        self._in_real_time = in_real_time
        self._chunk_ms = chunk_ms
        self._answer_timeout_ms = answer_timeout_ms
        self._next_ms = 0.0
        self._task: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._transport.call.begin()
            self._task = self.create_task(self._converse(), "converse")

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._stop()
        self._transport.call.end()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)

    async def _converse(self) -> None:
        self._next_ms = _now_ms()
        for index, question in enumerate(self._questions):
            await self._say(question.sound)
            self._transport.watch.question_ended(_now_ms())
            following = self._questions[index + 1] if index + 1 < len(self._questions) else None
            await self._wait_for_answer(question.sound.sample_rate, following)
        await self.push_frame(EndWorkerFrame(reason="all questions were asked"), FrameDirection.UPSTREAM)

    async def _say(self, sound: Sound) -> None:
        size = 2 * (sound.sample_rate * self._chunk_ms // 1000)
        for start in range(0, len(sound.pcm), size):
            # The last chunk is filled up, so that all chunks take the time their sound takes.
            await self._push_chunk(
                sound.pcm[start : start + size].ljust(size, b"\0"), sound.sample_rate, self._in_real_time
            )

    async def _wait_for_answer(self, sample_rate: int, following: Question | None) -> None:
        silence = bytes(2 * (sample_rate * self._chunk_ms // 1000))
        watch, began_ms = self._transport.watch, _now_ms()
        barge_in_ms = following.barge_in_after_ms if following else None
        while True:
            now_ms = _now_ms()
            if watch.is_over(now_ms) or (
                barge_in_ms is not None and watch.bot_spoke_for(barge_in_ms, now_ms)
            ):
                return
            if now_ms - began_ms > self._answer_timeout_ms:
                self._transport.unanswered += 1
                logger.warning(f"{self}: no answer within {self._answer_timeout_ms / 1000:g} s")
                return
            await self._push_chunk(silence, sample_rate, True)

    async def _push_chunk(self, pcm: bytes, sample_rate: int, in_real_time: bool) -> None:
        if in_real_time:
            # Absolute times: a late wake-up is caught up with by the next one.
            self._next_ms = max(self._next_ms, _now_ms() - 1000) + self._chunk_ms
            await asyncio.sleep(max(0.0, (self._next_ms - _now_ms()) / 1000))
        else:
            self._next_ms = _now_ms()
            await asyncio.sleep(0)
        self._transport.call.said(pcm, sample_rate)
        await self.push_frame(InputAudioRawFrame(pcm, sample_rate, 1))


class _Ear(FrameProcessor):
    """Hears the bot, and says upstream how far it has heard."""

    def __init__(self, transport: WavFileTransport) -> None:
        super().__init__(enable_direct_mode=True)
        self._transport = transport
        self._resampler: StreamResampler | None = None
        self._context_id = ""
        self._speaking = False
        self._ending: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        note = self._NOTES.get(type(frame))
        if note is not None:
            note(self._transport.watch, frame, _now_ms())
        if isinstance(frame, OutputAudioRawFrame):
            await self._hear(frame)
        elif isinstance(frame, InterruptionFrame):
            await self._cut()
        elif isinstance(frame, TTSStartedFrame):
            await self._drop_ending()
        elif isinstance(frame, TTSStoppedFrame):
            self._begin_ending()
        elif isinstance(frame, EndFrame | CancelFrame):
            await self._drop_ending()
            self._transport.call.end()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._drop_ending()
        self._transport.call.end()

    async def _hear(self, frame: OutputAudioRawFrame) -> None:
        call = self._transport.call
        self._context_id = (frame.context_id if isinstance(frame, TTSAudioRawFrame) else None) or ""
        pcm = frame.audio
        if frame.sample_rate != call.sample_rate:
            if self._resampler is None or self._resampler.in_rate != frame.sample_rate:
                self._resampler = StreamResampler(frame.sample_rate, call.sample_rate)
            pcm = self._resampler.process(pcm)
        plays_now = call.arrived(self._context_id, pcm)
        if not plays_now:
            return
        await self._mark(self._context_id, call.heard_ms(self._context_id))
        if not self._speaking:
            self._speaking = True
            self._transport.watch.bot_started(_now_ms())
            await self.broadcast_frame(BotStartedSpeakingFrame)

    async def _cut(self) -> None:
        await self._drop_ending()
        if self._resampler is not None:
            self._resampler.reset()
        for cut in self._transport.call.cut():
            await self._mark(cut.context_id, cut.played_ms)
        await self._stopped()

    async def _mark(self, context_id: str, played_ms: float) -> None:
        mark = PlaybackMarkFrame(context_id=context_id, played_ms=played_ms, at_ms=_now_ms())
        await self.push_frame(mark, FrameDirection.UPSTREAM)

    async def _stopped(self) -> None:
        if self._speaking:
            self._speaking = False
            self._transport.watch.bot_stopped(_now_ms())
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    def _begin_ending(self) -> None:
        if self._ending is None:
            self._ending = self.create_task(self._end_when_played(), "end when played")

    async def _end_when_played(self) -> None:
        remaining_ms = self._transport.call.remaining_ms()
        while remaining_ms > 0:
            await asyncio.sleep(remaining_ms / 1000)
            remaining_ms = self._transport.call.remaining_ms()
        self._ending = None
        await self._stopped()

    async def _drop_ending(self) -> None:
        task, self._ending = self._ending, None
        if task is not None:
            await self.cancel_task(task)

    # All of them are seen here and not at the other end, so that they come in the order in which they happened.
    _NOTES: Mapping[type[Frame], Callable[[AnswerWatch, Any, float], None]] = {
        UserStoppedSpeakingFrame: lambda watch, _, now: watch.user_stopped(now),
        ProposedUserStoppedSpeakingFrame: lambda watch, _, now: watch.user_stopped(now),
        LLMFullResponseStartFrame: lambda watch, _, now: watch.response_started(now),
        LLMFullResponseEndFrame: lambda watch, _, now: watch.response_ended(now),
        FunctionCallInProgressFrame: lambda watch, frame, now: watch.call_started(frame.tool_call_id, now),
        FunctionCallResultFrame: lambda watch, frame, now: watch.call_ended(
            frame.tool_call_id, now, answered=frame.run_llm is not False
        ),
        FunctionCallCancelFrame: lambda watch, frame, now: watch.call_ended(
            frame.tool_call_id, now, answered=False
        ),
    }
