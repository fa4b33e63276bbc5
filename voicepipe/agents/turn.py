"""One turn in writing, from the wish to the end of all that it led to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from voicepipe.agents.activity import Activity
from voicepipe.agents.agent import Agent
from voicepipe.agents.cast import Cast
from voicepipe.agents.history import AgentHandoff, ChatContext, ChatItem, ChatMessage
from voicepipe.agents.run_result import RunEvent, RunResult
from voicepipe.agents.speech import Speeches, SpeechHandle
from voicepipe.errors import VoicepipeError


class Turn:
    """Has the agent answer, and keeps what it said and did.

    Args:
        history: Of the session.
        cast: Tells who takes over.
        speeches: Tells when nothing more is to be said.
        activity: Tells whether the history has all that was said.
        ask: Asks for the answer.
    """

    def __init__(
        self,
        history: ChatContext,
        cast: Cast,
        speeches: Speeches,
        activity: Activity,
        ask: Callable[[], SpeechHandle],
    ) -> None:
        self._events: list[RunEvent] | None = None
        self._history = history
        self._cast = cast
        self._speeches = speeches
        self._activity = activity
        self._ask = ask

    async def run(self) -> None:
        """Hold the turn.

        Raises:
            VoicepipeError: Nothing was said.
        """
        await self._speeches.until(self._is_quiet)
        known = {item.key for item in self._history.items}
        handle = self._ask()
        await handle.wait_for_playout()
        error = handle.exception()
        if error is not None:
            raise error
        await self._speeches.until(self._is_quiet)
        self._events = [
            RunEvent(item, self._new_agent(item))
            for item in self._history.items
            if item.key not in known and not (isinstance(item, ChatMessage) and item.role != "assistant")
        ]

    def result(self, running: asyncio.Future[None]) -> RunResult:
        """Return what the application can wait for, given the task's future."""

        def wait() -> Generator[Any, None, list[RunEvent]]:
            yield from running
            if self._events is None:
                raise VoicepipeError("the session ended before the turn was over")
            return self._events

        return RunResult(wait)

    def _is_quiet(self) -> bool:
        is_written = not self._activity.has_unwritten_words
        return is_written and self._speeches.are_over and not self._cast.is_entering

    def _new_agent(self, item: ChatItem) -> Agent | None:
        return self._cast.named(item.new_agent_id) if isinstance(item, AgentHandoff) else None
