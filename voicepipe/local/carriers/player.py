"""The loudspeaker of a local call: plays mu-law on a clock, and knows what was heard when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

BYTES_PER_MS = 8
"""Of mu-law at 8 kHz."""
SILENCE = b"\xff"
_ROUNDING = 1e-6
"""Of a sample; sums of the same durations in another order differ by less."""


class Player:
    """Plays what it is given in its order and at its own speed, silence where there is nothing. Times are milliseconds.

    Args:
        began_ms: When the call began.
        heard: Called with each piece of what the caller hears, gapless from the beginning on.
        lead_ms: How long sound waits that comes while nothing plays, as in the jitter buffer on its further way.
    """

    def __init__(self, began_ms: float, heard: Callable[[bytes], None], lead_ms: float = 0.0) -> None:
        self._began_ms = began_ms
        self._heard = heard
        self._lead = round(lead_ms * BYTES_PER_MS)
        # Sound, the names of marks between, and waits, in samples.
        self._queue: deque[bytes | str | int] = deque()
        self._at = 0
        self._played = 0

    @property
    def is_playing(self) -> bool:
        """Whether there is anything left to play or to answer."""
        return bool(self._queue)

    @property
    def played_ms(self) -> float:
        """How much of the bot's sound has been played over the whole call."""
        return self._played / BYTES_PER_MS

    @property
    def waiting_ms(self) -> float:
        """How much is still to be played."""
        return sum(len(item) for item in self._queue if isinstance(item, bytes)) / BYTES_PER_MS

    @property
    def next_mark_ms(self) -> float | None:
        """When the next mark will be reached."""
        before = 0
        for item in self._queue:
            if isinstance(item, str):
                return self._began_ms + (self._at + before) / BYTES_PER_MS
            before += item if isinstance(item, int) else len(item)
        return None

    def play(self, sound: bytes) -> None:
        """Take sound, to be played after what there is; the player has to have been brought up to this time."""
        if not sound:
            return
        if self._lead and not any(isinstance(item, bytes) for item in self._queue):
            self._queue.append(self._lead)
        self._queue.append(sound)

    def mark(self, name: str) -> None:
        """Take a mark that is reached when all before it has been played."""
        self._queue.append(name)

    def advance(self, now_ms: float) -> list[str]:
        """Play up to a time, and return the marks reached."""
        until = int((now_ms - self._began_ms) * BYTES_PER_MS + _ROUNDING)
        reached: list[str] = []
        while self._queue:
            item = self._queue[0]
            if isinstance(item, str):
                reached.append(item)
                self._queue.popleft()
                continue
            room = until - self._at
            if room <= 0:
                break
            if isinstance(item, int):
                self._pop_wait(item, room)
                continue
            if len(item) > room:
                self._queue[0] = item[room:]
                item = item[:room]
            else:
                self._queue.popleft()
            self._put(item)
            self._played += len(item)
        if until > self._at:
            self._put(SILENCE * (until - self._at))
        return reached

    def clear(self) -> list[str]:
        """Throw away what was not played, and return the marks in it."""
        marks = [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        return marks

    def _pop_wait(self, samples: int, room: int) -> None:
        passed = min(samples, room)
        self._put(SILENCE * passed)
        if passed < samples:
            self._queue[0] = samples - passed
        else:
            self._queue.popleft()

    def _put(self, sound: bytes) -> None:
        self._at += len(sound)
        self._heard(sound)
