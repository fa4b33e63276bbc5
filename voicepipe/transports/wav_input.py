"""The caller of a WAV transport: says the questions, and silence between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

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
    StopFrame,
)
from voicepipe.loops import now_ms
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.conversation_time import ConversationTime
from voicepipe.transports.sound import Sound


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


def _note_result(watch: AnswerWatch, frame: FunctionCallResultFrame, now: float) -> None:
    properties = frame.properties
    if properties is not None and not properties.is_final:
        return
    run_llm = frame.run_llm if properties is None or properties.run_llm is None else properties.run_llm
    watch.call_ended(frame.tool_call_id, now, answered=run_llm is not False)


class WavFileInput(FrameProcessor):
    """Asks the questions as soon as the whole pipeline has started; after the last answer it ends the pipeline.

    Args:
        questions: What to ask.
        watch: Tells when an answer is over.
        time: The axis; gets what is said.
        in_real_time: Whether a chunk is given when its last sample is there, or all of a question at once.
        chunk_ms: How much sound a frame holds.
        answer_timeout_ms: For how long nothing may happen before an answer is given up.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        watch: AnswerWatch,
        time: ConversationTime,
        *,
        in_real_time: bool,
        chunk_ms: int,
        answer_timeout_ms: float,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.unanswered = 0
        self._questions = questions
        self._watch = watch
        self._time = time
        self._in_real_time = in_real_time
        self._chunk_ms = chunk_ms
        self._answer_timeout_ms = answer_timeout_ms
        self._next_ms = 0.0
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Open the files, so that one that cannot be written fails here.

        Raises:
            OSError: A file cannot be written.
        """
        await super().setup(setup)
        # At this processor's StartFrame those after it may still be connecting; they would hear the question in a burst.
        setup.pipeline_worker.add_event_handler("on_pipeline_started", self._on_started)
        self._time.open()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all on, and learn from it what the bot does."""
        await super().process_frame(frame, direction)
        note = self._NOTES.get(type(frame))
        if note is not None:
            note(self._watch, frame, now_ms())
        if isinstance(frame, EndFrame | StopFrame | CancelFrame):
            await self._stop()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Stop talking and finish the files."""
        await super().cleanup()
        await self._stop()
        self._time.close()

    def _on_started(self, _worker: PipelineWorker, _frame: Frame) -> None:
        if not self._is_over and self._task is None:
            self._task = self.create_task(self._converse(), "converse")

    async def _stop(self) -> None:
        self._is_over = True
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)

    async def _converse(self) -> None:
        self._time.caller_began()
        self._next_ms = now_ms()
        for number, question in enumerate(self._questions, 1):
            self._watch.question_began(now_ms())
            await self._say(question.sound)
            self._watch.question_ended(now_ms())
            following = self._questions[number] if number < len(self._questions) else None
            if not await self._is_answered(question.sound.sample_rate, following):
                self.unanswered += 1
                self._watch.give_up(now_ms())
                secs = self._answer_timeout_ms / 1000
                logger.warning(
                    f"{self}: question {number} of {len(self._questions)}: no answer within {secs:g} s"
                )
        await self.push_frame(EndWorkerFrame(reason="all questions were asked"), FrameDirection.UPSTREAM)

    async def _say(self, sound: Sound) -> None:
        size = 2 * max(1, sound.sample_rate * self._chunk_ms // 1000)
        for start in range(0, len(sound.pcm), size):
            # Into what the bot says, a question takes its time: a barge-in is a matter of when.
            waits = self._in_real_time or self._time.playing() is not None
            await self._push(sound.pcm[start : start + size], sound.sample_rate, in_real_time=waits)

    async def _is_answered(self, sample_rate: int, following: Question | None) -> bool:
        """Be silent until the answer is over or the next question is to barge in; False if there is no answer in time."""
        silence = bytes(2 * max(1, sample_rate * self._chunk_ms // 1000))
        barge_in_ms = following.barge_in_after_ms if following else None
        while True:
            now = now_ms()
            if self._watch.is_over(now):
                return True
            if barge_in_ms is not None and self._watch.bot_spoke_for(barge_in_ms, now):
                return True
            if self._watch.waited_ms(now) > self._answer_timeout_ms:
                return False
            await self._push(silence, sample_rate, in_real_time=True)

    async def _push(self, pcm: bytes, sample_rate: int, *, in_real_time: bool) -> None:
        duration_ms = len(pcm) * 500 / sample_rate
        if in_real_time:
            # Absolute times: a late wake-up is caught up with by the next one.
            self._next_ms += duration_ms
            await asyncio.sleep(max(0.0, (self._next_ms - now_ms()) / 1000))
        else:
            self._next_ms = now_ms()
            await asyncio.sleep(0)
        self._time.said(pcm, sample_rate, skipped_ms=0.0 if in_real_time else duration_ms)
        await self.push_frame(InputAudioRawFrame(pcm, sample_rate, 1))

    _NOTES: Mapping[type[Frame], Callable[[AnswerWatch, Any, float], None]] = {
        BotStartedSpeakingFrame: lambda watch, _, now: watch.bot_started(now),
        BotStoppedSpeakingFrame: lambda watch, _, now: watch.bot_stopped(now),
        FunctionCallInProgressFrame: lambda watch, frame, now: watch.call_started(frame.tool_call_id, now),
        FunctionCallResultFrame: _note_result,
        FunctionCallCancelFrame: lambda watch, frame, now: watch.call_ended(
            frame.tool_call_id, now, answered=bool(frame.run_llm)
        ),
    }
