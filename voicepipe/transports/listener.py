"""What a listener hears: sound plays at its own speed from when it arrives, and a barge-in cuts what has not been played.

A plain object without I/O; times are passed in, in milliseconds. It renders one track without gaps: silence where
nothing plays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a response was cut.

    Parameters:
        context_id: The response.
        played_ms: How much of it the listener had heard.
        at_ms: When.
    """

    context_id: str
    played_ms: float
    at_ms: float


class Listener:
    """One pair of ears at one sample rate, in hertz. Its track begins at `start_ms`."""

    def __init__(self, sample_rate: int, start_ms: float) -> None:
        self.sample_rate = sample_rate
        self._start_ms = start_ms
        self._rendered = 0
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued = 0
        self._played: dict[str, int] = {}

    def arrived(self, context_id: str, pcm: bytes, now_ms: float) -> bytes:
        """Take sound of a response, s16le mono at `sample_rate`; returns the track up to now."""
        track = self.track_until(now_ms)
        if pcm:
            self._queue.append((context_id, pcm))
            self._queued += len(pcm) // 2
            self._played.setdefault(context_id, 0)
        return track

    def track_until(self, now_ms: float) -> bytes:
        """Return the part of the track that has not been returned yet, up to now: s16le mono."""
        wanted = max(0, round((now_ms - self._start_ms) * self.sample_rate / 1000) - self._rendered)
        self._rendered += wanted
        parts: list[bytes] = []
        while wanted and self._queue:
            context_id, pcm = self._queue.popleft()
            taken = pcm[: 2 * wanted]
            if len(taken) < len(pcm):
                self._queue.appendleft((context_id, pcm[len(taken) :]))
            parts.append(taken)
            count = len(taken) // 2
            self._played[context_id] += count
            self._queued -= count
            wanted -= count
        parts.append(bytes(2 * wanted))
        return b"".join(parts)

    def cut(self, now_ms: float) -> tuple[bytes, list[Cut]]:
        """Drop what has not been played; returns the track up to now, and where each response was cut."""
        track = self.track_until(now_ms)
        cuts = [Cut(context_id, self.heard_ms(context_id), now_ms) for context_id in self._waiting()]
        self._queue.clear()
        self._queued = 0
        return track, cuts

    def remaining_ms(self, now_ms: float) -> float:
        """Return how long what has arrived will go on to play."""
        behind = round((now_ms - self._start_ms) * self.sample_rate / 1000) - self._rendered
        return max(0.0, (self._queued - behind) * 1000 / self.sample_rate)

    def heard_ms(self, context_id: str) -> float:
        """Return how much of a response was played in the track that has been returned."""
        return self._played.get(context_id, 0) * 1000 / self.sample_rate

    def _waiting(self) -> list[str]:
        return list(dict.fromkeys(context_id for context_id, _ in self._queue))
