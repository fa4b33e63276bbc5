"""What the agent was asked to say, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal, TypeAlias

from loguru import logger

from voicepipe.agents.activity import Activity, Mark
from voicepipe.errors import SettingsError, VoicepipeError

_MOST_WAITING: Final = 64
_BEGINS_WITHIN_SECS: Final = 10.0


ToolChoice: TypeAlias = Literal["auto", "required", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the agent is to say: `text` word for word, or an answer made by the model.

    Parameters:
        text: The words, for `say`.
        add_to_chat_ctx: Whether those words belong to the conversation.
        user_input: What the user is to have said, for `generate_reply`.
        instructions: For this answer, besides the agent's own.
        tool_choice: Whether this answer may call functions: `auto`, `none` or `required`.
        allow_interruptions: Whether the user is heard meanwhile.
    """

    text: str | None = None
    add_to_chat_ctx: bool = True
    user_input: str | None = None
    instructions: str | None = None
    tool_choice: ToolChoice | None = None
    allow_interruptions: bool = True


class SpeechHandle:
    """One speech that was asked for; awaiting it waits until it was heard to its end, or will not be.

    With the functions that it led to and what was said to their results, it counts as one.
    """

    _numbers = count(1)

    def __init__(self, wish: Wish, interrupt: Callable[[], asyncio.Future[None]]) -> None:
        self.id = f"speech_{next(self._numbers)}"
        self.wish = wish
        self.allow_interruptions = wish.allow_interruptions
        """Whether the user's speech and `interrupt` stop it; may be changed while it is said."""
        self._interrupt = interrupt
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._interrupted = False
        self._error: VoicepipeError | None = None

    def __await__(self) -> Generator[Any, None, SpeechHandle]:
        """Wait for its end; returns the handle itself."""
        yield from self.wait_for_playout().__await__()
        return self

    @property
    def interrupted(self) -> bool:
        """Whether the user or `interrupt` cut it, or kept it from beginning."""
        return self._interrupted

    def done(self) -> bool:
        """Whether it is over."""
        return self._future.done()

    def exception(self) -> VoicepipeError | None:
        """Why nothing was said, once it is over; None if something was, or if it was interrupted."""
        return self._error

    async def wait_for_playout(self) -> None:
        """Wait for its end. That nothing could be said is not raised; `exception` tells it."""
        await asyncio.shield(self._future)

    async def interrupt(self, *, force: bool = False) -> None:
        """Stop it.

        Raises:
            VoicepipeError: It does not allow interruptions, and `force` was not given.
        """
        if self.done():
            return
        self.check_may_be_interrupted(force=force)
        await self._interrupt()

    def check_may_be_interrupted(self, *, force: bool) -> None:
        """Refuse to be interrupted, if that is not allowed.

        Raises:
            VoicepipeError: It is not.
        """
        if not (force or self.allow_interruptions):
            raise VoicepipeError("this speech does not allow interruptions; force=True stops it all the same")

    def add_done_callback(self, callback: Callable[[SpeechHandle], None]) -> None:
        """Have something called when it is over."""
        self._future.add_done_callback(lambda _: callback(self))

    def end(self, *, interrupted: bool = False, error: VoicepipeError | None = None) -> None:
        """Say that it is over; the session calls it."""
        if not self._future.done():
            self._interrupted, self._error = interrupted, error
            self._future.set_result(None)


class Speeches:
    """Has one speech after the other spoken, each when the one before it was heard.

    Args:
        activity: Tells when speech begins and is over.
        perform: Sends a wish on its way.
    """

    def __init__(self, activity: Activity, perform: Callable[[Wish], Awaitable[None]]) -> None:
        self.current: SpeechHandle | None = None
        """What is spoken now, of what was asked for."""
        self._activity = activity
        self._perform = perform
        self._waiting: asyncio.Queue[SpeechHandle] = asyncio.Queue(_MOST_WAITING)
        self._changed = asyncio.Event()
        self._mark: Mark | None = None

    @property
    def holds_the_floor(self) -> bool:
        """Whether the user is not to be heard now, because what is said must not be interrupted."""
        if self.current is None or self.current.allow_interruptions or self._mark is None:
            return False
        # A user who speaks already is heard to the end; the speech begins after that.
        return self._activity.has_begun(self._mark) or not self._activity.user_speaks

    def add(self, handle: SpeechHandle) -> None:
        """Have a speech spoken when its turn comes.

        Raises:
            VoicepipeError: Too many wait already.
        """
        try:
            self._waiting.put_nowait(handle)
        except asyncio.QueueFull:
            raise VoicepipeError(f"{_MOST_WAITING} speeches wait to be spoken; await some") from None

    async def run(self) -> None:
        """Speak, until this is cancelled."""
        while True:
            handle = await self._waiting.get()
            if not handle.done():
                await self._speak(handle)

    def changed(self) -> None:
        """Take note that something happened."""
        self._changed.set()
        self._changed = asyncio.Event()

    def interrupted(self, *, all_of_them: bool) -> None:
        """Take note that what is heard was cut; and, with `all_of_them`, that what waits is not to be said either."""
        begun = self._mark is not None and self._activity.has_begun(self._mark)
        if self.current is not None and (all_of_them or begun):
            self.current.end(interrupted=True)
        if all_of_them:
            while not self._waiting.empty():
                self._waiting.get_nowait().end(interrupted=True)
        self.changed()

    def forget(self) -> None:
        """End all that was asked for: nothing is spoken any more."""
        self.interrupted(all_of_them=True)

    async def _speak(self, handle: SpeechHandle) -> None:
        self.current, self._mark = handle, (mark := self._activity.mark())
        try:
            try:
                await self._perform(handle.wish)
            except SettingsError as error:
                handle.end(error=error)
                logger.error(f"nothing was said: {error}")
                return
            except Exception as error:  # noqa: BLE001 - what is wrong with one speech must not keep the others from being said
                handle.end(error=VoicepipeError(f"nothing was said: {type(error).__name__}: {error}"))
                logger.exception("nothing was said")
                return
            if await self._begins(handle, mark):
                await self.until(lambda: handle.done() or self._activity.is_over(mark))
                handle.end()
        finally:
            # Also when this is cancelled: whoever waits for it must not wait for ever.
            handle.end(interrupted=True)
            self.current = None
            self.changed()

    async def _begins(self, handle: SpeechHandle, mark: Mark) -> bool:
        activity = self._activity
        while not (handle.done() or activity.has_begun(mark)):
            try:
                async with asyncio.timeout(_BEGINS_WITHIN_SECS):
                    await self.until(lambda: handle.done() or activity.has_begun(mark))
            except TimeoutError:
                if not (activity.user_speaks or activity.is_uttering):
                    secs = f"{_BEGINS_WITHIN_SECS:g} s"
                    handle.end(error=VoicepipeError(f"the model did not begin to speak within {secs}"))
        return not handle.done()

    @property
    def are_over(self) -> bool:
        """Whether all that was asked for has been said."""
        return self._waiting.empty() and self.current is None and not self._activity.is_uttering

    async def drained(self) -> None:
        """Wait until all that was asked for has been said."""
        await self.until(lambda: self.are_over)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not is_so():
            # Each change has an event of its own, since several may wait and see it at different times.
            await self._changed.wait()
