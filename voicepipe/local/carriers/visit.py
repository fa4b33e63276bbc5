"""A whole caller: listens to the greeting, says and presses what there is, waits for each answer, and hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.local.carriers.call import LocalCall
from voicepipe.local.carriers.hearing import ends_ms
from voicepipe.transports.sound import Sound


@dataclass(frozen=True, slots=True)
class Say:
    """Something to say; `text` is what is shown of it."""

    sound: Sound
    text: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Keys to press."""

    keys: str


Step: TypeAlias = Say | Press


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller waits.

    Parameters:
        greeting_ms: For the bot to speak first; then the caller does.
        answer_ms: For an answer to begin.
        longest_ms: For one to end.
        quiet_ms: After the bot's last sound, until the caller takes it for done. A bot that looks something up and has
            said so may be quiet for a while.
    """

    greeting_ms: float = 3000.0
    answer_ms: float = 20_000.0
    longest_ms: float = 120_000.0
    quiet_ms: float = 1200.0


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was done, in milliseconds from the beginning of the call.

    Parameters:
        step: Which.
        from_ms: When it began.
        until_ms: When its last sound was said.
    """

    step: Step
    from_ms: float
    until_ms: float


async def visit(call: LocalCall, steps: Sequence[Step], patience: Patience | None = None) -> list[Done]:
    """Be the caller of a call that was entered, and hang up; return what was done of it before somebody else did."""
    waits = patience or Patience()
    done: list[Done] = []
    try:
        await _hear(call, 0.0, waits.greeting_ms, waits)
        for step in steps:
            before_ms = call.played_ms
            done.append(await _do(call, step))
            await _hear(call, before_ms, waits.answer_ms, waits)
        await call.hang_up()
    except ConnectionError:
        # The bot may end a call at any time, and so may the line; the call knows who did.
        await call.until_ended()
    return done


async def _do(call: LocalCall, step: Step) -> Done:
    from_ms = call.said_ms
    if isinstance(step, Press):
        await call.press(step.keys)
        return Done(step, from_ms, from_ms)
    await call.say(step.sound)
    return Done(step, from_ms, from_ms + ends_ms(step.sound))


async def _hear(call: LocalCall, before_ms: float, begins_within_ms: float, waits: Patience) -> None:
    """Wait for the bot to have said something after so much of its sound; who waits too long goes on."""
    try:
        async with asyncio.timeout(begins_within_ms / 1000):
            await call.until(lambda: call.played_ms > before_ms)
        async with asyncio.timeout(waits.longest_ms / 1000):
            await call.until_answered(quiet_ms=waits.quiet_ms, after_ms=before_ms)
    except TimeoutError:
        return
