"""A job: one room, and the sessions that an entrypoint makes for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from voicepipe.agents.events import CloseEvent

if TYPE_CHECKING:
    from voicepipe.agents.session import AgentSession

CURRENT_JOB: Final[ContextVar[Job | None]] = ContextVar("CURRENT_JOB", default=None)
"""The job that runs, to which new sessions belong."""

OnSession = Callable[["AgentSession"], None]
"""Called with each session of a job as soon as it is made."""


class Job:
    """Owns sessions: those that are made while it runs are ended with it.

    Args:
        room: Where the conversation is.
        on_session: Is told of each session.
    """

    def __init__(self, room: BaseTransport, on_session: OnSession | None = None) -> None:
        self.room = room
        self.sessions: list[AgentSession] = []
        self.shutdown_callbacks: list[Callable[[], Awaitable[None]]] = []
        self._on_session = on_session

    def add(self, session: AgentSession) -> None:
        """Take a session."""
        session.room = self.room
        self.sessions.append(session)
        if self._on_session is not None:
            self._on_session(session)

    async def run(self, entrypoint: Callable[[], Awaitable[None]]) -> list[CloseEvent]:
        """Call an entrypoint and wait until the sessions that it has started are over.

        Returns:
            How each session ended.

        Raises:
            Exception: What the entrypoint raises; its sessions are ended.
        """
        token = CURRENT_JOB.set(self)
        try:
            await entrypoint()
            return [await session.wait_closed() for session in self.sessions if session.is_started]
        finally:
            CURRENT_JOB.reset(token)
            for session in self.sessions:
                await session.aclose(reason="job_shutdown")
            for callback in self.shutdown_callbacks:
                try:
                    await callback()
                except Exception:  # noqa: BLE001 - what one does wrong must not keep the others from being called
                    logger.exception("a shutdown callback failed")


class JobContext:
    """What an entrypoint is given that takes a `ctx: JobContext` in place of a session.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def room(self) -> BaseTransport:
        """Where the conversation is."""
        return self._job.room

    async def connect(self) -> None:
        """Do nothing: the room is joined when a session starts in it."""

    def add_shutdown_callback(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have something done when the job is over, its sessions included; what it raises is logged."""
        self._job.shutdown_callbacks.append(callback)

    def shutdown(self) -> None:
        """End the job's sessions, when all that was asked for has been said."""
        for session in self._job.sessions:
            session.shutdown()
