"""What must not be said: checks of the caller's words and of the bot's."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicepipe.errors import SettingsError

Speaker: TypeAlias = Literal["user", "bot"]
Check: TypeAlias = Callable[[str], bool | Awaitable[bool]]


@dataclass(frozen=True)
class Guardrail:
    """Stops an answer, and has something else said in its place.

    Parameters:
        name: For the hooks and the log.
        blocked_terms: Words that must not occur, whatever their case.
        check: Returns whether a text is to be blocked; it may be `async`. If it fails, the text is blocked.
        replacement: What the bot says instead.
        applies_to: Whose words are checked: the bot's as they are written, the caller's when a turn is transcribed.

    Raises:
        SettingsError: There is nothing to check, or the terms are no list.
    """

    name: str
    blocked_terms: Sequence[str] = ()
    check: Check | None = None
    replacement: str = "I'm sorry, I can't respond to that."
    applies_to: Literal["user", "bot", "both"] = "bot"

    def __post_init__(self) -> None:
        if isinstance(self.blocked_terms, str):
            raise SettingsError(
                f"guardrails.{self.name}.blocked_terms", "is one text, and not a list of them"
            )
        if not self.blocked_terms and self.check is None:
            raise SettingsError(f"guardrails.{self.name}", "needs blocked_terms or a check")

    def is_for(self, speaker: Speaker) -> bool:
        """Whether it checks somebody's words."""
        return self.applies_to in (speaker, "both")

    async def blocks(self, text: str) -> bool:
        """Whether a text is to be blocked."""
        # A term may begin or end with what is no part of a word: "$100", "C++".
        if any(re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text, re.I) for term in self.blocked_terms):
            return True
        if self.check is None:
            return False
        # A check that fails has not found the text harmless.
        [outcome] = await asyncio.gather(_checked(self.check, text), return_exceptions=True)
        return True if isinstance(outcome, BaseException) else bool(outcome)


def guardrail(
    name: str,
    blocked_terms: Sequence[str] | None = None,
    check: Check | None = None,
    replacement: str = "I'm sorry, I can't respond to that.",
    applies_to: Literal["user", "bot", "both"] = "bot",
) -> Guardrail:
    """Return a guardrail; see `Guardrail`."""
    return Guardrail(name, blocked_terms or (), check, replacement, applies_to)


async def _checked(check: Check, text: str) -> bool:
    result = check(text)
    return await result if inspect.isawaitable(result) else bool(result)
