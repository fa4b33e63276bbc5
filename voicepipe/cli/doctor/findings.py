"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters:
        what: What.
        status: `failed` keeps the bot from working as it is meant to; `warning` is something to know.
        detail: What was found; holds no secret.
    """

    what: str
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a service would send to begin with.

    Parameters:
        service: Its class.
        model: Its model; empty where there is none.
        messages: What would be sent, secrets masked.
    """

    service: str
    model: str
    messages: list[Mapping[str, Any]]


@dataclass(slots=True)
class Findings:
    """All that was found.

    Parameters:
        style: How the bot is written; empty if that could not be found out.
        checks: What was looked at.
        sends: What would be sent.
    """

    style: str = ""
    checks: list[Finding] = field(default_factory=list[Finding])
    sends: list[Sent] = field(default_factory=list[Sent])

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "failed" for check in self.checks)

    def add(self, what: str, status: Status, detail: str) -> None:
        """Note something."""
        self.checks.append(Finding(what, status, detail))
