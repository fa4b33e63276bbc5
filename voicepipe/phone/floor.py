"""Who has the floor: whether the caller hears the bot, and whether an answer is under way. Lets others wait for it."""

from __future__ import annotations

import asyncio


class Floor:
    """Told of by the processor after the engine."""

    def __init__(self) -> None:
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self._owed = 0
        self._nothing_owed = asyncio.Event()
        self._nothing_owed.set()
        self._begun = asyncio.Event()
        self._done = asyncio.Event()
        self._awaits_cut = False

    def bot_speaks(self, speaks: bool) -> None:
        """The caller hears the bot, or does not any more."""
        if speaks:
            self._is_quiet.clear()
        else:
            self._is_quiet.set()

    def answer_begins(self) -> None:
        """The engine begins an answer."""
        self._owed = max(0, self._owed - 1)
        if not self._owed:
            self._nothing_owed.set()
        self._done.clear()
        if not self._awaits_cut:
            self._begun.set()

    def answer_ends(self) -> None:
        """All of an answer has come; it may still be played."""
        self._done.set()

    def answers_are_cut(self) -> None:
        """What was said and what was about to be is cut here."""
        self._awaits_cut = False

    @property
    def is_owed(self) -> bool:
        """Whether something that was asked to be said has not begun."""
        return self._owed > 0

    def owe(self) -> None:
        """Something is asked to be said."""
        self._owed += 1
        self._nothing_owed.clear()

    def expect_answer(self) -> None:
        """Have `until_answered` wait for an answer that begins after the next cut: one under way is not meant."""
        self._begun.clear()
        self._awaits_cut = True

    async def until_begun(self, within_secs: float) -> bool:
        """Wait until all that was asked to be said has begun, or for so long; return whether it has.

        What has not will not be waited for again: an interruption may have done away with it.
        """
        await _within(within_secs, self._nothing_owed)
        has_begun, self._owed = not self._owed, 0
        self._nothing_owed.set()
        return has_begun

    async def until_said(self, begins_secs: float, ends_secs: float) -> None:
        """Wait until all that was asked to be said has come as a whole, or for so long."""
        if await self.until_begun(begins_secs):
            await _within(ends_secs, self._done)

    async def until_answered(self, within_secs: float) -> None:
        """Wait until an answer has begun and has come as a whole.

        Raises:
            TimeoutError: It takes too long.
        """
        async with asyncio.timeout(within_secs):
            await self._begun.wait()
            await self._done.wait()

    async def until_quiet(self, within_secs: float) -> None:
        """Wait until the caller has heard what the bot said, or for so long."""
        await _within(within_secs, self._is_quiet)


async def _within(secs: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(secs):
            await event.wait()
    except TimeoutError:
        return
