"""Conversations in rooms as they come, and their end: each says what it has to say, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from voicepipe.agents.events import CloseEvent
from voicepipe.agents.job import OnSession
from voicepipe.agents.session import AgentSession

Serve: TypeAlias = Callable[[BaseTransport, OnSession], Awaitable[list[CloseEvent]]]
"""Holds the conversation in one room and returns how its sessions ended."""
_DRAIN_SECS: Final = 10.0


class Serving:
    """Serves rooms, each in a task of its own.

    Args:
        serve: Holds the conversation in a room.
        on_session: Is told of each session.
        drain_secs: How long sessions may go on speaking after `drain`.
    """

    def __init__(self, serve: Serve, on_session: OnSession, *, drain_secs: float = _DRAIN_SECS) -> None:
        self._serve = serve
        self._on_session = on_session
        self._drain_secs = drain_secs
        self._jobs: set[asyncio.Task[None]] = set()
        self._sessions: set[AgentSession] = set()
        self._taking: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None
        self._ended_well = True

    async def run(self, rooms: AsyncIterator[BaseTransport]) -> bool:
        """Serve rooms until there are no more and all conversations are over.

        Returns:
            Whether all sessions ended without an error.

        Raises:
            Exception: What a room's making or an entrypoint raised first; the other conversations were held to their end.
        """
        self._taking = asyncio.create_task(self._take(rooms), name="take rooms")
        try:
            while running := {*self._jobs, *({self._taking} if not self._taking.done() else ())}:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            await _cancelled({self._taking, *self._jobs})
        if not self._taking.cancelled():
            self._failure = self._failure or self._taking.exception()
        if self._failure is not None:
            raise self._failure
        return self._ended_well

    def drain(self) -> bool:
        """Take no more rooms, and end each session when it has said what it has to say.

        Returns:
            False if no session runs, so that there is nothing to wait for.
        """
        running = [session for session in self._sessions if session.is_running]
        if self._taking is not None:
            self._taking.cancel()
        for session in running:
            session.shutdown(reason="job_shutdown")
        self._deadline = asyncio.get_running_loop().call_later(self._drain_secs, self._stop)
        return bool(running)

    def _stop(self) -> None:
        for job in self._jobs:
            job.cancel()

    async def _take(self, rooms: AsyncIterator[BaseTransport]) -> None:
        async for room in rooms:
            job = asyncio.create_task(self._hold(room), name=f"conversation in {room}")
            self._jobs.add(job)
            job.add_done_callback(self._over)

    async def _hold(self, room: BaseTransport) -> None:
        sessions: list[AgentSession] = []

        def on_session(session: AgentSession) -> None:
            sessions.append(session)
            self._sessions.add(session)
            self._on_session(session)

        try:
            closed = await self._serve(room, on_session)
            self._ended_well = self._ended_well and all(event.reason != "error" for event in closed)
        finally:
            self._sessions.difference_update(sessions)

    def _over(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        error = None if job.cancelled() else job.exception()
        if error is not None and self._failure is None:
            self._failure = error
        elif error is not None:
            logger.opt(exception=error).error(f"{job.get_name()} failed")


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
