"""What the page is told of a conversation while it goes on: turns, tools, faults and the account, as JSON.

A part of the call that changes many times within a moment is told once, as it is then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.watch.parts import fault_of, tool_of, turn_of

_EVERY_SECS: Final = 0.05
_MATCHER: Final = Masking(card_numbers=False, keys=False).matcher()
"""Whoever speaks with the bot may read what was said, if it is not the key of an API."""

Message = dict[str, Any]


class Feed:
    """A sink for `CallObserver` that tells a page.

    Args:
        send: Takes a message; returns at once.
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._waiting: dict[tuple[str, int], Message] = {}
        self._timer: asyncio.TimerHandle | None = None

    def turn(self, turn: Turn) -> None:
        """Take a turn as it is now."""
        self._tell(turn_of(turn, _MATCHER))

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function as it is now."""
        self._tell(tool_of(tool, _MATCHER))

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        self._tell(fault_of(fault, _MATCHER))

    def account(self, account: Account) -> None:
        """Take what the call used and what that costs, as it is now."""
        self._tell(_account(account))

    def close(self) -> None:
        """Tell what is left, and nothing after it."""
        self._flush()

    def _tell(self, message: Message) -> None:
        self._waiting[message["type"], message["index"]] = message
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY_SECS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for message in waiting.values():
            self._send(message)


def _account(account: Account) -> Message:
    total, by_minute = account.cost.total, account.cost_per_minute
    return {
        "type": "account",
        "index": 0,
        "tokens": account.used.total_tokens,
        "responses": account.used.responses,
        "call_secs": round(account.call_secs, 1),
        "cost": None if total is None else f"{total:.4f}",
        "cost_per_minute": None if by_minute is None else f"{by_minute:.4f}",
    }
