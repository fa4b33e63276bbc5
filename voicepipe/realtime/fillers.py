"""A few words while a function takes long, so that nobody hears silence (promise P-8)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicepipe.errors import SettingsError

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService


@dataclass(frozen=True, slots=True)
class Filler:
    """What is said while a function runs.

    Parameters:
        after_ms: How long a function may run before.
        instructions: For the model, for this one answer.
        tools: The functions it is said for; None means all.

    Raises:
        SettingsError: `after_ms` is negative.
    """

    after_ms: int = 1500
    instructions: str = "Say in a few words that you are still working on it. Do not answer anything yet."
    tools: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.after_ms < 0:
            raise SettingsError("tool_filler.after_ms", f"{self.after_ms} is negative")


class Fillers:
    """Waits with each call that runs, and has the filler said, once for all that run at the same time.

    Args:
        service: Whose calls these are.
        filler: What is said; None is nothing.
    """

    def __init__(self, service: RealtimeService, filler: Filler | None) -> None:
        self._service = service
        self._filler = filler
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._is_said = False

    def call_started(self, call_id: str, name: str) -> None:
        """A function runs."""
        filler = self._filler
        if filler is not None and (filler.tools is None or name in filler.tools):
            self._waiting[call_id] = self._service.create_task(self._wait(filler), f"filler for {name}")

    async def call_ended(self, call_id: str) -> None:
        """A function gave its result, or never will."""
        task = self._waiting.pop(call_id, None)
        if task is not None:
            await self._service.cancel_task(task)
        if not self._waiting:
            self._is_said = False

    async def close(self) -> None:
        """Leave nothing behind."""
        for call_id in list(self._waiting):
            await self.call_ended(call_id)

    async def _wait(self, filler: Filler) -> None:
        await asyncio.sleep(filler.after_ms / 1000)
        if not self._is_said and not self._service.turns.bot_speaks:
            self._is_said = True
            session = self._service.session
            await self._service.perform(
                session.create_response(instructions=filler.instructions, tool_choice="none")
            )
