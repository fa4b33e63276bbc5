"""`AgentServer`: calls an entrypoint for a room, and is a bot's command line."""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, overload

from pipecat.transports.base_transport import BaseTransport

from voicepipe import loops
from voicepipe.agents.commands import Options, options_of
from voicepipe.agents.events import CloseEvent
from voicepipe.agents.job import Job, JobContext, OnSession
from voicepipe.agents.reloading import is_reloaded, run_reloading
from voicepipe.agents.rooms import RoomSource, rooms_for
from voicepipe.agents.serving import Serving
from voicepipe.agents.session import AgentSession
from voicepipe.agents.transcript import print_transcript
from voicepipe.errors import SettingsError, VoicepipeError

Entrypoint: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]
"""An `async` function that takes an `AgentSession` or a `JobContext`."""


class AgentServer:
    """Holds one entrypoint and runs it.

        server = AgentServer()

        @server.rtc_session
        async def entrypoint(session: AgentSession) -> None:
            await session.start(agent=Agent(instructions="You help."), room=session.room, llm=model)

        if __name__ == "__main__":
            server.run()

    `python bot.py console` talks with it here, `python bot.py start` in a room.

    Args:
        room: Where `start` and `dev` hold the conversation: makes a transport of Pipecat's, `async` or not. An async
            generator makes one for each caller, and their conversations go on side by side. Without it they join a room of
            a LiveKit server.
    """

    def __init__(self, *, room: RoomSource | None = None) -> None:
        self._room = room
        self._entrypoint: Entrypoint | None = None

    @overload
    def rtc_session(self, entrypoint: Entrypoint, /) -> Entrypoint: ...

    @overload
    def rtc_session(self, /, *, agent_name: str = "") -> Callable[[Entrypoint], Entrypoint]: ...

    def rtc_session(
        self, entrypoint: Entrypoint | None = None, /, *, agent_name: str = ""
    ) -> Entrypoint | Callable[[Entrypoint], Entrypoint]:
        """Name the function that is called for a room, with or without parentheses.

        It gets an `AgentSession` whose `room` is set. If its parameter's type is `JobContext`, or its name is `ctx` and
        it has no type, it gets a job's context and makes sessions itself.

        Args:
            entrypoint: The function.
            agent_name: Taken for the sake of older bots; there is no dispatch by name.

        Raises:
            SettingsError: It is not `async` or takes nothing, or the server has one already.
        """
        del agent_name

        def register(entrypoint: Entrypoint) -> Entrypoint:
            if not inspect.iscoroutinefunction(entrypoint) or not inspect.signature(entrypoint).parameters:
                raise SettingsError("rtc_session", "is for an async function that takes the session")
            if self._entrypoint is not None:
                raise SettingsError("rtc_session", "the server has an entrypoint; make another server")
            self._entrypoint = entrypoint
            return entrypoint

        return register if entrypoint is None else register(entrypoint)

    async def serve(self, room: BaseTransport, *, on_session: OnSession | None = None) -> list[CloseEvent]:
        """Hold the conversation in a room, from its start to its end, inside a program of yours.

        Args:
            room: A transport of Pipecat's.
            on_session: Is told of each session as soon as it is made.

        Returns:
            How each session ended; nothing of them is left.

        Raises:
            SettingsError: The server has no entrypoint.
            Exception: What the entrypoint raises.
        """
        entrypoint = self._entrypoint
        if entrypoint is None:
            raise SettingsError(
                "rtc_session", "the server has no entrypoint; mark one with @server.rtc_session"
            )
        job = Job(room, on_session)
        return await job.run(lambda: self._enter(entrypoint, job))

    def run(self, argv: Sequence[str] | None = None) -> None:
        """Be the command line of a bot; returns when the conversations are over.

        SIGTERM ends it in order: no more rooms are taken, and sessions end when they have said what they are saying, within
        ten seconds. A second one, or SIGINT, ends it at once. `dev` runs the bot in a process of its own, and anew whenever
        a Python file beside it changes.

        Args:
            argv: The arguments; by default the program's own.

        Raises:
            SystemExit: The arguments are wrong (2), the conversation failed (1) or was ended by a signal (130).
        """
        options = options_of(argv)
        try:
            code = loops.run(self._run(options))
        except (VoicepipeError, FileNotFoundError) as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - it is a command line
            raise SystemExit(1) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise SystemExit(130) from None
        if code:
            raise SystemExit(code)

    async def _run(self, options: Options) -> int:
        task = asyncio.current_task()
        assert task is not None
        if options.command == "dev" and not is_reloaded():
            _on_sigterm(task.cancel)
            with options.log():
                return await run_reloading()
        serving = Serving(lambda room, on_session: self.serve(room, on_session=on_session), print_transcript)
        is_draining = False

        def drain() -> None:
            nonlocal is_draining
            if is_draining or not serving.drain():
                task.cancel()
            is_draining = True

        _on_sigterm(drain)
        async with options.surroundings(), aclosing(rooms_for(options, self._room)) as rooms:
            return 0 if await serving.run(rooms) else 1

    async def _enter(self, entrypoint: Entrypoint, job: Job) -> None:
        if _takes_context(entrypoint):
            await entrypoint(JobContext(job))
        else:
            await entrypoint(AgentSession())


def rtc_session(entrypoint: Entrypoint) -> AgentServer:
    """Return a server for one function; as a decorator, its name is then the server's: `entrypoint.run()`."""
    server = AgentServer()
    server.rtc_session(entrypoint)
    return server


def _on_sigterm(act: Callable[[], object]) -> None:
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, act)


def _takes_context(entrypoint: Callable[..., Awaitable[None]]) -> bool:
    first = next(iter(inspect.signature(entrypoint).parameters.values()))
    hint = first.annotation
    if hint is inspect.Parameter.empty:
        return first.name == "ctx"
    return hint is JobContext or (isinstance(hint, str) and hint.split(".")[-1] == "JobContext")
