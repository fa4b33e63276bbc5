"""What the page is told of a conversation while it goes on: turns, tools, faults and the account, as JSON.

A part of the call that changes many times within a moment is told once, as it is then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account

_EVERY_SECS: Final = 0.05
_LONGEST_TEXT: Final = 4000
"""Characters. A data channel's message has to be whole before it is read, and nobody reads more."""

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
        self._tell(_turn(turn))

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function as it is now."""
        self._tell(_tool(tool))

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        message = {"message": _short(fault.message), "at_ms": fault.at_ms, "fatal": fault.is_fatal}
        self._tell({"type": "fault", "index": fault.index, **message})

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


def _turn(turn: Turn) -> Message:
    return {
        "type": "turn",
        "index": turn.index,
        "started_ms": turn.started_ms,
        "user": _short(turn.user_text),
        "user_done": turn.user_is_final,
        "user_speaks": turn.user_stopped_ms is None and turn.bot_started_ms is None,
        "bot": _short(turn.bot_text),
        "heard": turn.heard_text,
        "bot_speaks": turn.bot_started_ms is not None and turn.bot_stopped_ms is None,
        "interrupted": turn.is_interrupted,
        "latency_ms": turn.latency_ms,
        "server_ms": turn.server_ms,
        "added_ms": turn.added_ms,
        "playout_ms": turn.playout_ms,
    }


def _tool(tool: ToolRun) -> Message:
    took_ms = None if tool.ended_ms is None else tool.ended_ms - tool.started_ms
    return {
        "type": "tool",
        "index": tool.index,
        "turn": tool.turn_index,
        "name": tool.name,
        "arguments": _short(_json(tool.arguments)),
        "result": None if tool.status != "done" else _short(_json(tool.result)),
        "status": tool.status,
        "took_ms": None if took_ms is None else round(took_ms, 1),
    }


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


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
