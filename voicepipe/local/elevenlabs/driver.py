"""Lets one conversation run on a socket: replies, tools of the server, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from loguru import logger

from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Call
from voicepipe.local.driving import Driver
from voicepipe.local.elevenlabs.reply import Reply
from voicepipe.local.elevenlabs.session import ConvAIServerSession
from voicepipe.local.elevenlabs.wishes import Answer, Close, RunTool, Speak, StopReply
from voicepipe.local.pace import Pacer
from voicepipe.local.wishes import Event


class ConversationDriver(Driver[ConvAIServerSession]):
    """Drives one conversation."""

    UNKNOWN: ClassVar[Event] = {"type": "voicepipe_unknown", "voicepipe_unknown_event": {"event_id": 1}}

    def _grant(self, wish: Answer | Speak | StopReply | RunTool | Close) -> None:
        if isinstance(wish, Answer):
            self._begin(wish.reply.id, partial(self._answer, wish))
        elif isinstance(wish, Speak):
            self._begin(wish.reply.id, partial(self._speak, wish))
        elif isinstance(wish, StopReply):
            self._stop(wish.reply_id)
        elif isinstance(wish, RunTool):
            self._start(self._run_tool(wish), "tool")
        else:
            self._start(self._line.close(wish.code, wish.reason), "close")

    async def _run_tool(self, wish: RunTool) -> None:
        result, is_error = "", False
        try:
            result = await wish.tool.run(wish.parameters)
        except VoicepipeError as error:
            result, is_error = str(error), True
        self._handle(self._session.ran(wish.call_id, result, is_error=is_error))

    async def _speak(self, wish: Speak, pacer: Pacer) -> None:
        for index, sentence in enumerate(wish.sentences):
            self._handle(self._session.think(wish.reply, sentence, is_first=not index))
        await self._say(wish.reply, wish.sentences, pacer)
        self._handle(self._session.finish(wish.reply, self._now_ms))

    async def _answer(self, wish: Answer, pacer: Pacer) -> None:
        reply = wish.reply
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
        self._handle(self._session.finish(reply, self._now_ms))

    async def _say(self, reply: Reply, sentences: Sequence[str], pacer: Pacer) -> None:
        if not sentences:
            return
        self._handle(self._session.say(reply, " ".join(sentences), self._now_ms))
        if not reply.speaks:
            return
        rate = self._stage.speech.voice.sample_rate
        for index, sentence in enumerate(sentences):
            pcm = await self._spoken(sentence, rate)
            self._session.voice(reply, sentence, pcm, rate, is_last=index == len(sentences) - 1)
            await self._let_out(reply, pacer)
