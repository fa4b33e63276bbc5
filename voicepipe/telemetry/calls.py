"""What is known of a call: turns, tools, faults, how it ended. Plain values, and the sink they are given to as they change.

All times in a call are milliseconds since its pipeline's start, on the event loop's clock.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias

from voicepipe.telemetry.meter import Account

Direction: TypeAlias = Literal["inbound", "outbound"]
ToolStatus: TypeAlias = Literal["running", "done", "cancelled"]
EventKind: TypeAlias = Literal["keys", "keys_sent", "guardrail", "refusal", "transfer"]
"""What the caller pressed, what the bot pressed, words that were blocked, what the carrier did not do, handing a call on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """What is known of a call when it begins.

    Parameters:
        call_id: Its id, unique in a store; made up if none is given.
        started_at: When it began, with a time zone; now, if nothing is given.
        direction: Whether it came in or was placed; None where there is no telephone.
        caller: Who calls, e.g. a telephone number in E.164.
        called: Who is called.
        carrier: The telephone company.
        engine: Which service speaks.
        model: Its model.
        labels: What the application wants to find the call by.
    """

    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    direction: Direction | None = None
    caller: str = ""
    called: str = ""
    carrier: str = ""
    engine: str = ""
    model: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Turn:
    """One turn: what the user said and what the bot answered. A greeting is a turn in which the user said nothing.

    Parameters:
        index: Its number in the call, from 0.
        started_ms: When it began.
        user_text: What the user said: the words so far until `user_is_final`.
        user_is_final: Whether the user's words will not change any more.
        user_stopped_ms: When the user's turn ended.
        bot_text: What the bot said, heard or not.
        heard_text: Of a cut answer, the words that were heard by the share of its sound that was played, to the last whole
            word; else None.
        bot_started_ms: When the first sound of the answer was played.
        bot_stopped_ms: When the last one was.
        said_ms: How much sound the answer had.
        heard_ms: How much of it was played.
        is_interrupted: Whether the user cut the answer.
        latency_ms: From the end of the user's turn to the first sound played.
        server_ms: The part of it that network and model took.
        added_ms: The part of it that voicepipe took.
    """

    index: int
    started_ms: float
    user_text: str = ""
    user_is_final: bool = False
    user_stopped_ms: float | None = None
    bot_text: str = ""
    heard_text: str | None = None
    bot_started_ms: float | None = None
    bot_stopped_ms: float | None = None
    said_ms: float = 0.0
    heard_ms: float = 0.0
    is_interrupted: bool = False
    latency_ms: float | None = None
    server_ms: float | None = None
    added_ms: float | None = None

    @property
    def playout_ms(self) -> float | None:
        """The part of the latency from passing the first sound on to its being played."""
        if self.latency_ms is None or self.server_ms is None or self.added_ms is None:
            return None
        return max(0.0, self.latency_ms - self.server_ms - self.added_ms)


@dataclass(slots=True)
class ToolRun:
    """One call of a function.

    Parameters:
        index: Its number in the call, from 0.
        turn_index: The turn it belongs to.
        tool_call_id: The model's id for it.
        name: The function.
        arguments: What it was called with, a JSON value.
        started_ms: When it was called.
        ended_ms: When it gave its result or was cancelled.
        result: What it gave.
        status: How far it is.
    """

    index: int
    turn_index: int
    tool_call_id: str
    name: str
    arguments: Any
    started_ms: float
    ended_ms: float | None = None
    result: Any = None
    status: ToolStatus = "running"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in the course of a call.

    Parameters:
        index: Its number in the call, from 0.
        at_ms: When it happened.
        message: What happened; holds no secret.
        is_fatal: Whether it ended the call.
    """

    index: int
    at_ms: float
    message: str
    is_fatal: bool


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened in a telephone call besides what was said.

    Parameters:
        index: Its number in the call, from 0; it comes again with the same index when there is more to say of it.
        at_ms: When it happened; 0 for what happened before the call's pipeline ran.
        kind: What it was.
        text: The keys, the guardrail's name, the carrier's words, or how and to whom the call was handed.
        detail: Whose words were blocked (`user` or `bot`), the carrier's code of its refusal, or what became of a transfer.
    """

    index: int
    at_ms: float
    kind: EventKind
    text: str
    detail: str = ""


class CallSink(Protocol):
    """Is told of a call's parts whenever they change; the same part comes again with the same index.

    The methods return at once and keep no reference to what they are given, which goes on changing.
    """

    def turn(self, turn: Turn) -> None:
        """Take a turn as it is now."""
        ...

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function as it is now."""
        ...

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        ...

    def account(self, account: Account) -> None:
        """Take what the call used and what that costs, as it is now."""
        ...
