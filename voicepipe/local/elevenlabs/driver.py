"""Lets one conversation run on its line: wishes are granted, the pace is kept.

All time is the event loop's, so that with speech that does not block (tones) it runs on a virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from loguru import logger

from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Brain, Call
from voicepipe.local.elevenlabs.formats import RATE
from voicepipe.local.elevenlabs.line import Line
from voicepipe.local.elevenlabs.reply import Reply
from voicepipe.local.elevenlabs.session import ConvAIServerSession
from voicepipe.local.elevenlabs.wishes import Answer, Close, Hear, Out, RunTool, Speak, StopReply
from voicepipe.local.openai_ga.pace import Pace, Pacer
from voicepipe.local.speech.engines import SpeechEngine

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Backstage:
    """What the conversations of a server share.

    Parameters:
        speech: Ears, voice and voice activity.
        brain: What answers.
        pace: How sound goes out.
        threads: Where ears and voice work that take long; None is the event loop's thread.
    """

    speech: SpeechEngine
    brain: Brain
    pace: Pace
    threads: Executor | None


class _OverError(Exception):
    """The conversation is over; what it had under way is cancelled."""


class ConversationDriver:
    """Drives one conversation.

    Args:
        session: The protocol.
        line: The socket.
        backstage: What all conversations share.
    """

    def __init__(self, session: ConvAIServerSession, line: Line, backstage: Backstage) -> None:
        self._session = session
        self._line = line
        self._stage = backstage
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._listens = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until either side ends the conversation; nothing of it is left then."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start(self._line.send(), "send")
                self._handle(self._session.open(self._now_ms))
                await self._until_over()
                raise _OverError
        except* _OverError:
            pass

    async def _until_over(self) -> None:
        try:
            async with aclosing(self._line.messages()) as messages:
                async for message in messages:
                    self._handle(self._session.receive(message, self._now_ms))
                    await self._line.room()
        finally:
            # A task must not be started while the others are being ended.
            if self._alarm is not None:
                self._alarm.cancel()

    def _handle(self, outputs: Iterable[Out]) -> None:
        for output in outputs:
            if isinstance(output, dict):
                self._line.put(output)
            elif isinstance(output, Answer):
                self._replies[output.reply.id] = self._start(self._answer(output), "answer")
            elif isinstance(output, Speak):
                self._replies[output.reply.id] = self._start(self._speak(output), "speak")
            elif isinstance(output, StopReply):
                self._stop(output)
            elif isinstance(output, Hear):
                self._start(self._hear(output), "hear")
            elif isinstance(output, RunTool):
                self._start(self._run_tool(output), "tool")
            else:
                self._start(self._close(output), "close")
        self._set_alarm()

    # Wishes.

    def _stop(self, wish: StopReply) -> None:
        task = self._replies.pop(wish.reply_id, None)
        # One that reports to the session cannot be cancelled by what it reported; it ends by itself.
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _close(self, wish: Close) -> None:
        await self._line.close(wish.code, wish.reason)

    async def _hear(self, wish: Hear) -> None:
        text: str | None = None
        # One after the other, so that utterances are understood in their order.
        async with self._listens:
            try:
                text = await self._in_its_place(lambda: self._stage.speech.ears.listen(wish.pcm, RATE))
            except VoicepipeError as error:
                logger.warning(f"the ears failed: {error}")
        self._handle(self._session.heard(wish.key, text, self._now_ms))

    async def _run_tool(self, wish: RunTool) -> None:
        result, is_error = "", False
        try:
            result = await wish.tool.run(wish.parameters)
        except VoicepipeError as error:
            result, is_error = str(error), True
        self._handle(self._session.ran(wish.call_id, result, is_error=is_error))

    async def _speak(self, wish: Speak) -> None:
        pacer = Pacer(self._stage.pace)
        await pacer.first()
        for index, sentence in enumerate(wish.sentences):
            self._handle(self._session.think(wish.reply, sentence, is_first=not index))
        await self._say(wish.reply, wish.sentences, pacer)
        self._finish(wish.reply)

    async def _answer(self, wish: Answer) -> None:
        reply, pacer = wish.reply, Pacer(self._stage.pace)
        await pacer.first()
        # The wire has an utterance's words before its sound, so they are collected until the brain is done with them.
        found: list[str] = []
        try:
            async with aclosing(self._stage.brain.reply(wish.conversation)) as parts:
                async for part in parts:
                    if isinstance(part, Call):
                        await self._say(reply, found, pacer)
                        found = []
                        self._handle(self._session.call(reply, part, self._now_ms))
                    else:
                        self._handle(self._session.think(reply, part.text, is_first=not found))
                        found.append(part.text)
        except VoicepipeError as error:
            logger.warning(f"the brain failed: {error}")
            self._handle(self._session.fail(reply, str(error)))
        await self._say(reply, found, pacer)
        self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self._replies.pop(reply.id, None)
        self._handle(self._session.finish(reply, self._now_ms))

    async def _say(self, reply: Reply, sentences: Sequence[str], pacer: Pacer) -> None:
        if not sentences:
            return
        self._handle(self._session.say(reply, " ".join(sentences), self._now_ms))
        if not reply.speaks:
            return
        for index, sentence in enumerate(sentences):
            pcm = await self._in_its_place(lambda text=sentence: self._spoken(text))
            is_last = index == len(sentences) - 1
            rate = self._stage.speech.voice.sample_rate
            self._session.voice(reply, sentence, pcm, rate, is_last=is_last)
            while reply.has_more:
                await pacer.next()
                await self._line.room()
                self._handle(self._session.advance(reply, self._stage.pace.delta_ms, self._now_ms))

    def _spoken(self, text: str) -> bytes:
        return np.concatenate([np.empty(0, np.int16), *self._stage.speech.voice.speak(text)]).tobytes()

    async def _in_its_place(self, work: Callable[[], _T]) -> _T:
        """Do work of ears or voice on a thread if it takes long, else here and now."""
        if self._stage.threads is None:
            return work()
        return await self._loop.run_in_executor(self._stage.threads, work)

    # Time.

    @property
    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._session.wakes_at_ms is not None:
            self._alarm = self._loop.call_at(self._session.wakes_at_ms / 1000, self._wake)

    def _wake(self) -> None:
        # Timers of a loop may fire a moment early, by as much as its clock's resolution.
        self._handle(self._session.wake(max(self._now_ms, self._session.wakes_at_ms or 0.0)))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=f"local ElevenLabs server: {name}")
