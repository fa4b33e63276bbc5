"""One call's pipeline: it is built from the agent, runs between the media stream's ends, and does what the call wishes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from pipecat.frames.frames import OutputDTMFUrgentFrame
from pipecat.observers.base_observer import BaseObserver

from voicepipe.errors import PhoneError, VoicepipeError
from voicepipe.frames import EndFrame, ErrorFrame, Frame, InterruptionFrame, TTSSpeakFrame
from voicepipe.phone.agent import Agent
from voicepipe.phone.engines.engine import Bot
from voicepipe.phone.floor import Floor
from voicepipe.phone.guardrails import Guardrail
from voicepipe.phone.listening import BotsWords, CallersWords, Listener
from voicepipe.pipeline import Pipeline, PipelineParams, PipelineWorker, RunResult, run
from voicepipe.transports.telephony import TelephonyTransport

Wish: TypeAlias = Callable[[], Awaitable[None]]

_QUIET_SECS: Final = 30.0
"""The longest that is waited for the bot to be heard to its end, before a call is handed on."""
_BEGIN_SECS: Final = 10.0
"""The longest that is waited for the bot to begin with something it was asked to say."""
_MOST_WISHES: Final = 100


class Conversation:
    """What goes on between a caller and a bot, from the stream's start to its end.

    Args:
        transport: The call's media stream, started.
        agent: What talks.
        bot: Its processors for this call.
        listener: Who is told what is heard.
        call_secs: The longest it may last.
        on_started: Awaited once the pipeline runs.
        observers: They see every frame.
    """

    def __init__(
        self,
        transport: TelephonyTransport,
        agent: Agent,
        bot: Bot,
        listener: Listener,
        *,
        call_secs: float,
        on_started: Callable[[], Awaitable[None]],
        observers: Sequence[BaseObserver] = (),
    ) -> None:
        self.end_reason = ""
        """Why it was ended from here; empty if it was not."""
        self._agent = agent
        self._bot = bot
        self._call_secs = call_secs
        self._on_error = listener.erred
        self._floor = Floor()
        self._on_started = on_started
        self._wishes: asyncio.Queue[Wish] = asyncio.Queue(_MOST_WISHES)
        callers = [one for one in agent.guardrails if one.is_for("user")]
        bots = [one for one in agent.guardrails if one.is_for("bot")]
        pipeline = Pipeline(
            [
                transport.input(),
                *bot.ears,
                CallersWords(listener, callers, self._blocked, asks_for_answers=bot.answers_on_request),
                *bot.mouth,
                BotsWords(listener, self._floor, bots, self._blocked),
                transport.output(),
                *bot.tail,
            ]
        )
        params = PipelineParams(
            enable_metrics=True,
            enable_usage_metrics=True,
            audio_in_sample_rate=bot.sample_rate,
            audio_out_sample_rate=bot.sample_rate,
        )
        self._worker = PipelineWorker(
            pipeline,
            params=params,
            observers=list(observers),
            idle_timeout_secs=None,
            enable_rtvi=False,
            enable_turn_tracking=False,
        )
        self._worker.add_event_handler("on_pipeline_error", self._erred)

    async def run(self) -> RunResult:
        """Run until somebody ends it."""
        return await run(self._worker, handle_signals=False, on_started=self._conduct)

    # Wishes. They are granted one after the other, by the task that the pipeline's run owns.

    def wish(self, wish: Wish) -> None:
        """Have something done as soon as what was wished before is done.

        Raises:
            PhoneError: Too much waits already.
        """
        if self._wishes.full():
            raise PhoneError("the call does not keep up with what it is asked to do")
        self._wishes.put_nowait(wish)

    def wish_last_words(self, text: str, reason: str) -> None:
        """Have something said in place of all else, and end, as soon as what was wished before is done.

        Raises:
            PhoneError: Too much waits already.
        """
        self.wish(lambda: self.last_words(text, reason))

    async def say(self, text: str) -> None:
        """Have the bot say something, after what it says now."""
        await self._speak(TTSSpeakFrame(text))

    async def press(self, keys: str) -> None:
        """Press keys."""
        await self._queue(OutputDTMFUrgentFrame.from_string(keys))

    async def end(self, reason: str) -> None:
        """End it, after all that was said has been heard."""
        self.end_reason = self.end_reason or reason
        if self._floor.is_owed:
            # A realtime service that is ended says nothing any more of what it was only asked to say.
            self.wish(self._end_when_said)
        else:
            await self._queue(EndFrame(reason=reason))

    async def cancel(self, reason: str) -> None:
        """End it at once."""
        self.end_reason = self.end_reason or reason
        await self._worker.cancel(reason=reason)

    async def say_instead(self, text: str) -> None:
        """Cut what the bot says, and have it say something else; return when that is complete.

        Raises:
            TimeoutError: It is not within half a minute.
        """
        if self._floor.is_owed:
            # Nothing is cut of what has not begun, so it would be said all the same and be taken for this: what runs makes
            # way for it.
            await self._queue(InterruptionFrame())
            await self._floor.until_begun(_BEGIN_SECS)
        self._floor.expect_answer()
        await self._queue(InterruptionFrame(), TTSSpeakFrame(text))
        await self._floor.until_answered(_QUIET_SECS)

    async def last_words(self, text: str, reason: str) -> None:
        """Say something in place of all else, and end."""
        if text and not self._bot.says_on_request:
            self._on_error("the last words were not said: the engine says nothing on request")
        elif text:
            try:
                await self.say_instead(text)
            except TimeoutError:
                self._on_error("the last words were not said in time")
        self.end_reason = self.end_reason or reason
        await self._queue(EndFrame(reason=reason))

    async def until_quiet(self) -> None:
        """Wait until the caller has heard what the bot said, or for half a minute."""
        await self._floor.until_quiet(_QUIET_SECS)

    async def _end_when_said(self) -> None:
        await self._floor.until_said(_BEGIN_SECS, _QUIET_SECS)
        await self._queue(EndFrame(reason=self.end_reason))

    async def _speak(self, *frames: Frame) -> None:
        """Queue frames, and keep in mind what they ask to be said."""
        if self._bot.says_on_request:
            for _ in filter(_is_speech, frames):
                self._floor.owe()
        await self._queue(*frames)

    async def _queue(self, *frames: Frame) -> None:
        await self._worker.queue_frames(list(frames))

    async def _conduct(self, _worker: PipelineWorker) -> None:
        await self._speak(*self._bot.opening)
        await self._on_started()
        try:
            async with asyncio.timeout(self._call_secs):
                while True:
                    await self._grant(await self._wishes.get())
        except TimeoutError:
            await self.last_words(self._agent.max_call_message, "the call reached its longest duration")

    async def _grant(self, wish: Wish) -> None:
        try:
            await wish()
        except VoicepipeError as error:
            self._on_error(str(error))

    async def _blocked(self, guardrail: Guardrail) -> None:
        await self._speak(InterruptionFrame(), TTSSpeakFrame(guardrail.replacement))

    def _erred(self, _worker: PipelineWorker, frame: ErrorFrame) -> None:
        self._on_error(frame.error)


def _is_speech(frame: Frame) -> bool:
    return isinstance(frame, TTSSpeakFrame)
