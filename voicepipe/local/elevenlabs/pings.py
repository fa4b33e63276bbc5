"""Is the client there, and how far away: pings at an interval, and the answer to the oldest one that is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voicepipe.errors import SettingsError
from voicepipe.local.elevenlabs.events import Event, Events
from voicepipe.local.elevenlabs.timers import Timers

_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for its clients.

    Parameters:
        initiation_ms: For the first message.
        ping_every_ms: Between two pings.
        pong_within_ms: For the answer to one.

    Raises:
        SettingsError: One of these is no time.
    """

    initiation_ms: float = 20_000
    ping_every_ms: float = 5_000
    pong_within_ms: float = 20_000

    def __post_init__(self) -> None:
        """Refuse what would have the server ping, or give up, without end."""
        times = (self.initiation_ms, self.ping_every_ms, self.pong_within_ms)
        for name, ms in zip(("initiation_ms", "ping_every_ms", "pong_within_ms"), times, strict=True):
            if ms <= 0:
                raise SettingsError(name, f"{ms} is no time to wait; above 0 is")


class Pings:
    """Pings of one conversation. Timer "ping" is for the next one; "pong" being due means that no answer came.

    Args:
        events: Of the conversation.
        timers: Of the conversation.
        patience: How long the client may take.
    """

    def __init__(self, events: Events, timers: Timers, patience: Patience) -> None:
        self._events = events
        self._timers = timers
        self._every_ms = patience.ping_every_ms
        self._within_ms = patience.pong_within_ms
        self._sent: dict[int, float] = {}
        self._ping_ms: int | None = None

    def ping(self, now_ms: float) -> Event:
        """Return a ping; the next one is then set."""
        event = self._events.ping(self._ping_ms)
        self._sent[event["ping_event"]["event_id"]] = now_ms
        if len(self._sent) > _REMEMBERED:
            del self._sent[min(self._sent)]
        self._timers.set("ping", now_ms + self._every_ms)
        if not self._timers.runs("pong"):
            self._timers.set("pong", now_ms + self._within_ms)
        return event

    def pong(self, event_id: int, now_ms: float) -> None:
        """Take an answer; one to no ping is passed over."""
        sent_ms = self._sent.pop(event_id, None)
        if sent_ms is None:
            return
        self._ping_ms = round(now_ms - sent_ms)
        self._timers.stop("pong")
        # It answers for all that were sent before it.
        self._sent = {number: at_ms for number, at_ms in self._sent.items() if number > event_id}
        if self._sent:
            self._timers.set("pong", min(self._sent.values()) + self._within_ms)
