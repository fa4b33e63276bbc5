"""What there is to say about a call: its lines, its tools, who picked up, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.phone.carriers.contract import CallStatus, Classification
from voicepipe.telemetry.cost import Cost
from voicepipe.telemetry.meter import Account

Outcome: TypeAlias = Literal["answered", "voicemail", "no_answer", "busy", "failed"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said or pressed.

    Parameters:
        role: Who.
        text: The words; keys as `[DTMF: 1]`.
        at_ms: When it was known, in milliseconds since the stream began.
        is_interrupted: Whether the bot was cut in it.
    """

    role: Literal["user", "assistant"]
    text: str
    at_ms: float
    is_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A function that the model called, and what it gave."""

    name: str
    arguments: Mapping[str, Any]
    result: Any
    at_ms: float


@dataclass(frozen=True, slots=True)
class MachineDetection:
    """Who picked up, as far as the carrier can tell; `raw` is in its own words."""

    classification: Classification
    raw: str


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended.

    Parameters:
        call_id: Our id of it.
        outcome: What became of it.
        status: The carrier's last word.
        reason: Why it ended, in words.
        duration_secs: From the beginning of the stream to its end; 0 if there was none.
        account: What it used and what that cost.
        transcript: What was said.
        machine: Who picked up, if that was asked.
    """

    call_id: str
    outcome: Outcome
    status: CallStatus
    reason: str
    duration_secs: float
    account: Account
    transcript: Sequence[Turn] = field(default_factory=tuple)
    machine: MachineDetection | None = None

    @property
    def cost(self) -> Cost:
        """What it cost, by part, in US dollars; the total is None if something that was used has no price."""
        return self.account.cost


def outcome_of(status: CallStatus, machine: MachineDetection | None, *, was_answered: bool) -> Outcome:
    """Return what became of a call."""
    if was_answered and status != "failed":
        is_machine = machine is not None and machine.classification == "machine"
        return "voicemail" if is_machine else "answered"
    if status == "busy":
        return "busy"
    return "no_answer" if status in ("no-answer", "canceled", "completed") else "failed"
