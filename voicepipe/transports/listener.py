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
        at_ms: When, on the event loop's clock.
    """

    context_id: str
    played_ms: float
    at_ms: float


@dataclass(slots=True)
class _Piece:
    """Sound that waits to be played; `taken` bytes of it have been."""

    context_id: str
    pcm: bytes
    taken: int = 0

    @property
    def samples(self) -> int:
        return (len(self.pcm) - self.taken) // 2


class Listener:
    """One pair of ears at one sample rate, in hertz. Its track begins at `start_ms`."""

    def __init__(self, sample_rate: int, start_ms: float) -> None:
        self.sample_rate = sample_rate
        self._start_ms = start_ms
        self._rendered = 0
        self._queue: deque[_Piece] = deque()
        self._played: dict[str, int] = {}

    def arrived(self, context_id: str, pcm: bytes, now_ms: float) -> bytes:
        """Take sound of a response, s16le mono at `sample_rate`; returns the track up to now."""
        track = self.track_until(now_ms)
        if pcm:
            self._queue.append(_Piece(context_id, pcm))
            self._played.setdefault(context_id, 0)
        return track

    def track_until(self, now_ms: float) -> bytes:
        """Return the part of the track that has not been returned yet, up to now: s16le mono."""
        wanted = max(0, self._sample_at(now_ms) - self._rendered)
        self._rendered += wanted
        parts: list[bytes] = []
        while wanted and self._queue:
            piece = self._queue[0]
            count = min(wanted, piece.samples)
            parts.append(piece.pcm[piece.taken : piece.taken + 2 * count])
            piece.taken += 2 * count
            if not piece.samples:
                self._queue.popleft()
            self._played[piece.context_id] += count
            wanted -= count
        parts.append(bytes(2 * wanted))
        return b"".join(parts)

    def cut(self, now_ms: float, at_ms: float | None = None) -> tuple[bytes, list[Cut]]:
        """Drop what has not been played; returns the track up to now, and where each response was cut.

        Args:
            now_ms: The time.
            at_ms: What the cuts say about when it was, if the event loop's clock shows something else.
        """
        track = self.track_until(now_ms)
        when = now_ms if at_ms is None else at_ms
        waiting = dict.fromkeys(piece.context_id for piece in self._queue)
        self._queue.clear()
        return track, [Cut(context_id, self.heard_ms(context_id), when) for context_id in waiting]

    def playing(self, now_ms: float) -> tuple[str, float] | None:
        """Return what is heard at this moment and for how long what has arrived of it will last, in milliseconds.

        None if it is quiet.
        """
        behind = self._sample_at(now_ms) - self._rendered
        heard: str | None = None
        left = 0
        for piece in self._queue:
            if heard is not None and piece.context_id != heard:
                break
            left += piece.samples
            if heard is None and left > behind:
                heard = piece.context_id
        return None if heard is None else (heard, (left - behind) * 1000 / self.sample_rate)

    def heard_ms(self, context_id: str) -> float:
        """Return how much of a response was played in the track that has been returned."""
        return self._played.get(context_id, 0) * 1000 / self.sample_rate

    def _sample_at(self, now_ms: float) -> int:
        return round((now_ms - self._start_ms) * self.sample_rate / 1000)
