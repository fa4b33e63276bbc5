"""How much and how long a phone takes on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from voicepipe.errors import SettingsError


@dataclass(frozen=True, slots=True)
class PhoneLimits:
    """Bounds of a phone that serves.

    Parameters:
        calls: At once, both directions; the next one hears the busy tone.
        connections: To the web server, at once, streams included; one more is closed without an answer.
        request_secs: How long the head of a connection's first request may take, and as long its body.
        body_bytes: Of a webhook; carriers send a few kilobytes.
        message_bytes: Of one message on a media stream.
        stream_wait_secs: From the markup to the media stream, for which the ticket is taken.
        silent_stream_secs: How long a carrier, which sends sound all the time, may say nothing.
        call_secs: The longest call.
        shutdown_secs: How long calls that run may go on after the end of serving.

    Raises:
        SettingsError: One of them is no number above 0.
    """

    calls: int = 20
    connections: int = 1000
    request_secs: float = 10.0
    body_bytes: int = 65_536
    message_bytes: int = 1_048_576
    stream_wait_secs: float = 30.0
    silent_stream_secs: float = 30.0
    call_secs: float = 3600.0
    shutdown_secs: float = 30.0

    def __post_init__(self) -> None:
        for each in fields(self):
            check_above_zero(f"limits.{each.name}", getattr(self, each.name))


def check_above_zero(field: str, value: Any) -> None:
    """See that a bound is a number that leaves room for something.

    Raises:
        SettingsError: It is none.
    """
    if not isinstance(value, int | float) or not value > 0:
        raise SettingsError(field, f"{value!r} is no number above 0")
