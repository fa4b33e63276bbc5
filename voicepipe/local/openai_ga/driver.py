"""Lets one session run on a socket, for as long as a session may last."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from loguru import logger
from websockets.asyncio.server import ServerConnection

from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Call
from voicepipe.local.driving import Backstage, Driver
from voicepipe.local.openai_ga.served import ServedSession
from voicepipe.local.openai_ga.wishes import Answer, StopAnswer
from voicepipe.local.pace import Pacer
from voicepipe.local.wishes import RATE, Event


class SessionDriver(Driver[ServedSession]):
    """Drives one session.

    Args:
        session: The protocol.
        connection: The socket.
        stage: What all sessions share.
        session_secs: The longest it may last.
    """

    UNKNOWN: ClassVar[Event] = {"type": "voicepipe.unknown", "event_id": "event_of_no_known_type"}

    def __init__(
        self, session: ServedSession, connection: ServerConnection, stage: Backstage, session_secs: float
    ) -> None:
        super().__init__(session, connection, stage)
        self._session_secs = session_secs

    async def _until_over(self) -> None:
        try:
            async with asyncio.timeout(self._session_secs):
                await super()._until_over()
        except TimeoutError:
            message = f"Your session hit the maximum duration of {round(self._session_secs / 60)} minutes."
            self._handle([self._session.error("session_expired", message)])
            await self._line.close(1001, message)

    def _grant(self, wish: Answer | StopAnswer) -> None:
        if isinstance(wish, Answer):
            self._begin(wish.response.id, partial(self._answer, wish))
        else:
            self._stop(wish.response_id)

    async def _answer(self, wish: Answer, pacer: Pacer) -> None:
        response = wish.response
        try:
            async with aclosing(self._stage.brain.reply(wish.conversation)) as parts:
                async for part in parts:
                    if isinstance(part, Call):
                        self._handle(self._session.call(response, part))
                    else:
                        pcm = await self._spoken(part.text, RATE) if response.speaks else b""
                        self._session.say(response, part.text, pcm)
                        await self._let_out(response, pacer)
                    if response.is_over:
                        break
        except VoicepipeError as error:
            logger.warning(f"the brain failed: {error}")
            self._handle(self._session.fail(response, str(error), self._now_ms))
        if not response.is_over:
            self._handle(self._session.finish(response, self._now_ms))
