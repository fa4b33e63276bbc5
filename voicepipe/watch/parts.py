"""The parts of a call as pages are told of them while it goes on: JSON values, masked and short."""

from __future__ import annotations

import json
from typing import Any, Final

from voicepipe.telemetry.calls import CallInfo, Fault, ToolRun, Turn
from voicepipe.telemetry.links import LinkFate
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.plain import plain
from voicepipe.telemetry.recording.masking import Matcher

_LONGEST_TEXT: Final = 4000
"""Characters. A message has to be whole before it is read, and nobody reads more."""
_SHOWN: Final = 4


def about_of(info: CallInfo, matcher: Matcher) -> dict[str, Any]:
    """Return what is known of a call at its beginning."""
    return {
        "type": "call",
        "call": info.call_id,
        "started_at": info.started_at.isoformat(),
        "direction": info.direction,
        "caller": _number(info.caller),
        "called": _number(info.called),
        "carrier": info.carrier,
        "engine": info.engine,
        "model": info.model,
        "labels": {matcher.text(name): matcher.text(text) for name, text in info.labels.items()},
        "state": "running",
        "end": "",
        "faults": 0,
        "latency_ms": None,
        "cost": None,
        "tokens": 0,
        "call_secs": 0.0,
    }


def turn_of(turn: Turn, matcher: Matcher) -> dict[str, Any]:
    """Return a turn."""
    return {
        "type": "turn",
        "index": turn.index,
        "at_ms": turn.started_ms,
        "user": _short(turn.user_text, matcher),
        "user_done": turn.user_is_final,
        "user_speaks": turn.user_stopped_ms is None and turn.bot_started_ms is None and not turn.bot_text,
        "bot": _short(turn.bot_text, matcher),
        "heard": None if turn.heard_text is None else _short(turn.heard_text, matcher),
        "bot_speaks": turn.bot_started_ms is not None and turn.bot_stopped_ms is None,
        "interrupted": turn.is_interrupted,
        "latency_ms": turn.latency_ms,
        "server_ms": turn.server_ms,
        "added_ms": turn.added_ms,
        "playout_ms": turn.playout_ms,
    }


def tool_of(tool: ToolRun, matcher: Matcher) -> dict[str, Any]:
    """Return a call of a function."""
    took_ms = None if tool.ended_ms is None else round(tool.ended_ms - tool.started_ms, 1)
    return {
        "type": "tool",
        "index": tool.index,
        "at_ms": tool.started_ms,
        "turn": tool.turn_index,
        "name": tool.name,
        "arguments": _json(tool.arguments, matcher),
        "result": None if tool.status != "done" else _json(tool.result, matcher),
        "status": tool.status,
        "took_ms": took_ms,
    }


def fault_of(fault: Fault, matcher: Matcher) -> dict[str, Any]:
    """Return an error."""
    return {
        "type": "fault",
        "index": fault.index,
        "at_ms": fault.at_ms,
        "message": _short(fault.message, matcher),
        "fatal": fault.is_fatal,
    }


def link_of(fate: LinkFate, index: int, at_ms: float, matcher: Matcher) -> dict[str, Any]:
    """Return what became of a connection."""
    return {
        "type": "link",
        "index": index,
        "at_ms": at_ms,
        "service": fate.service,
        "fate": fate.fate,
        "detail": _short(fate.detail, matcher),
    }


def account_of(account: Account) -> dict[str, Any]:
    """Return what a call used and costs so far: `cost` is at least that if `cost_is_known` is false."""
    return {
        "cost": f"{account.cost.known:.4f}",
        "cost_is_known": account.cost.total is not None,
        "tokens": account.used.total_tokens,
        "call_secs": round(account.call_secs, 1),
    }


def _number(number: str) -> str:
    return number if len(number) <= _SHOWN else f"***{number[-_SHOWN:]}"


def _short(text: str, matcher: Matcher) -> str:
    masked = matcher.text(text)
    return masked if len(masked) <= _LONGEST_TEXT else f"{masked[:_LONGEST_TEXT]} …"


def _json(value: Any, matcher: Matcher) -> str:
    if isinstance(value, str):
        return _short(plain(value), matcher)
    return _short(json.dumps(matcher.value(plain(value)), ensure_ascii=False), matcher)
