"""Who speaks: the user's turns, what the bot has been heard to say, and what happens when both speak at once."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pipecat.utils.time import time_now_iso8601

from voicepipe.audio.playback import Heard, PlaybackClock
from voicepipe.frames import (
    PlaybackMarkFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.loops import now_ms
from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Happening,
    ResponseFinished,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.realtime.interruptions import Gate, Interruptions
from voicepipe.realtime.suspension import SentSound, Suspension

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService

_KEPT_MS: Final = 10_000
_REMEMBERED: Final = 64


class Turns:
    """Decides for a service what the user's speech means.

    Args:
        service: Whose turns these are.
        policy: Who may interrupt the bot.
    """

    def __init__(self, service: RealtimeService, policy: Interruptions) -> None:
        self.aggregator_decides = False
        """Whether a context aggregator in the pipeline decides when the user's turns begin and end."""
        self._is_announced = False
        self._service = service
        self._policy = policy
        self._gate = Gate(policy)
        self._playback = PlaybackClock()
        self._sent = SentSound()
        self._suspension: Suspension | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._resumed: dict[str, str] = {}
        self._heard_before: dict[str, float] = {}
        self._aside: deque[str] = deque(maxlen=_REMEMBERED)
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0

    # What goes out to the listener, and what comes back of it.

    def spoke(self, chunk: AudioChunk) -> None:
        """Take into account that sound of the bot goes out now."""
        session = self._service.session
        duration_ms = chunk.samples * 1000 / session.output_sample_rate
        self._playback.sent(self.context_of(chunk.response_id), chunk.item_id, duration_ms, now_ms())
        if self._policy.resume_after_ms is not None:
            self._sent.add(chunk)

    def mark(self, frame: PlaybackMarkFrame) -> None:
        """Take the far end's word for how much it has played."""
        self._playback.mark(frame.context_id, frame.played_ms, frame.at_ms)

    def context_of(self, response_id: str) -> str:
        """Return the `context_id` of a response's frames; one that was taken up again has another one from there on."""
        return self._resumed.get(response_id, response_id)

    @property
    def bot_speaks(self) -> bool:
        """Whether the bot is heard or about to be."""
        return self._service.session.is_responding or self._playback.is_playing(now_ms())

    @property
    def is_playing(self) -> bool:
        """Whether the far end has sound of the bot's to play."""
        return self._playback.is_playing(now_ms())

    # The user's sound.

    @property
    def lets_all_through(self) -> bool:
        """Whether the user's sound goes to the server whatever it holds: `admitted` and `heard` would do nothing."""
        return self._policy.allowed and not self._kept and self._gate.item_id is None

    def admitted(self, pcm: bytes) -> list[bytes]:
        """Return what of the user's sound is to be sent now, given new sound: s16le mono at the session's rate."""
        if self._policy.allowed or not self.bot_speaks:
            kept = [*self._kept, pcm]
            self._kept.clear()
            self._kept_bytes = 0
            return kept
        if self._policy.while_off == "keep":
            self._kept.append(pcm)
            self._kept_bytes += len(pcm)
            while self._kept_bytes > 2 * self._service.session.input_sample_rate * _KEPT_MS // 1000:
                self._kept_bytes -= len(self._kept.popleft())
        return []

    async def heard(self, pcm: bytes) -> None:
        """Take sound that was sent, since speech that is being judged may be long enough with it."""
        if self._gate.item_id is None:
            return
        enough = self._gate.sound(pcm, self._service.session.input_sample_rate)
        if enough or not (self._gate.has_ended or self.bot_speaks):
            self._gate.done()
            await self._begin_turn(interrupts=True)

    # The user's turns.

    async def user_started(self, happening: UserSpeechStarted) -> None:
        """The server hears speech: a turn, an interruption, or something to be judged first."""
        if not self._policy.are_judged:
            await self._begin_turn(interrupts=happening.cancels_response)
        elif not self.bot_speaks or self._gate.judge(happening.item_id):
            self._gate.done()
            await self._begin_turn(interrupts=True)

    async def user_stopped(self, happening: UserSpeechStopped) -> None:
        """The server hears the turn end."""
        if self._gate.item_id is None:
            await self._end_turn(answers=self._policy.are_judged)
        elif not self.bot_speaks:
            self._gate.done()
            await self._begin_turn(interrupts=True)
            await self._end_turn(answers=True)
        elif not self._gate.ended():
            self._aside.append(happening.item_id)
            self._gate.done()

    async def user_words(self, happening: UserTranscript) -> bool:
        """Take the user's words; returns whether they are part of a turn, and not said aside."""
        if happening.item_id == self._gate.item_id:
            await self._judge_words(happening)
        elif self._suspension is not None and happening.text.strip():
            turn_has_ended = self._waiting is not None
            await self._stop_for_good()
            if turn_has_ended:
                await self._answer()
        if happening.item_id not in self._aside and happening.item_id != self._gate.item_id:
            return True
        if happening.final:
            frame = UserBackchannelFrame(happening.text, "", time_now_iso8601())
            await self._service.broadcast_frame_instance(frame)
        return False

    async def interrupted(self) -> None:
        """The bot was interrupted: leave in history what was heard of it by now, or hold it until more is known."""
        if self._suspension is None:
            session, heard = self._service.session, self._cut()
            unheard = self._sent.unheard(heard, session.output_sample_rate)
            response_id = self._service.response_id
            may_go_on = self._policy.resume_after_ms is not None and bool(unheard or session.is_responding)
            if may_go_on and response_id is not None:
                self._suspension = Suspension(response_id, heard, unheard)
            else:
                await self._service.perform(session.interrupt(heard))

    def _cut(self) -> list[Heard]:
        before = self._heard_before
        return [
            replace(part, played_ms=part.played_ms + before[part.item_id]) if part.item_id in before else part
            for part in self._playback.cut(now_ms())
        ]

    async def _begin_turn(self, *, interrupts: bool) -> None:
        service = self._service
        if self._is_announced:
            # The end of the turn before was lost with a connection, or the server forgot to tell it.
            await self._announce_end()
        self._is_announced = True
        if self.aggregator_decides:
            await service.broadcast_frame(ProposedUserStartedSpeakingFrame)
            return
        if interrupts:
            # First, so that the position is that of this moment and not of when all frames are out.
            await self.interrupted()
        await service.broadcast_frame(UserStartedSpeakingFrame)
        if interrupts:
            await service.interrupt_pipeline()

    async def _end_turn(self, *, answers: bool) -> None:
        service = self._service
        await service.measures.turn_ended()
        if self._is_announced:
            await self._announce_end()
        if self._suspension is not None:
            self._waiting = service.create_task(self._wait_for_words(), "wait for words")
        elif answers:
            await self._answer()

    async def _announce_end(self) -> None:
        self._is_announced = False
        decided, proposed = UserStoppedSpeakingFrame, ProposedUserStoppedSpeakingFrame
        await self._service.broadcast_frame(proposed if self.aggregator_decides else decided)

    async def _answer(self) -> None:
        if self._service.session.wants_answers:
            await self._service.perform(self._service.session.create_response())

    async def _judge_words(self, happening: UserTranscript) -> None:
        has_ended = self._gate.has_ended
        if self._gate.words(happening.text):
            self._gate.done()
            await self._begin_turn(interrupts=True)
            if has_ended:
                await self._end_turn(answers=True)
        elif happening.final and has_ended:
            self._aside.append(happening.item_id)
            self._gate.done()

    # An answer that may go on.

    def holds(self, happening: Happening) -> bool:
        """Whether something of a response has to wait, because the response was stopped and may go on."""
        stopped = self._suspension
        if stopped is None or not isinstance(happening, AudioChunk | BotTranscript | ResponseFinished):
            return False
        if happening.response_id != stopped.response_id:
            return False
        stopped.held.append(happening)
        return True

    async def _stop_for_good(self) -> None:
        stopped, self._suspension = self._suspension, None
        await self._stop_waiting()
        if stopped is not None:
            await self._service.perform(self._service.session.interrupt(stopped.heard))

    async def _wait_for_words(self) -> None:
        assert self._policy.resume_after_ms is not None
        await asyncio.sleep(self._policy.resume_after_ms / 1000)
        self._waiting = None
        stopped, self._suspension = self._suspension, None
        if stopped is None:
            return
        for part in stopped.heard:
            self._heard_before[part.item_id] = part.played_ms
        again = self._resumed.get(stopped.response_id, stopped.response_id)
        self._resumed[stopped.response_id] = f"{again}+"
        await self._service.go_on(stopped.response_id, stopped.held)

    async def _stop_waiting(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self._service.cancel_task(task)

    async def close(self) -> None:
        """Leave nothing behind."""
        self._suspension = None
        await self._stop_waiting()
