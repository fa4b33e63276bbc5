"""What must not go out before the session knows its settings: kept in order, the sound in it bounded."""

from __future__ import annotations

from collections import deque

from voicepipe.realtime.events import Send


class Outbox:
    """Passes messages on once it is open; until then it keeps them.

    Of sound it keeps the newest `max_sound_bytes` of wire messages (base64 text, 64 bytes for each millisecond of 24 kHz
    PCM); of anything else it loses nothing.
    """

    def __init__(self, max_sound_bytes: int) -> None:
        self.is_open = False
        self.dropped = 0
        """How many messages of sound were dropped."""
        self._max_sound_bytes = max_sound_bytes
        self._sound_bytes = 0
        self._kept: deque[Send] = deque()

    def put(self, *messages: Send) -> list[Send]:
        """Return what may go out now."""
        if self.is_open:
            return list(messages)
        for message in messages:
            self._kept.append(message)
            if message.droppable:
                self._sound_bytes += len(message.message)
        while self._sound_bytes > self._max_sound_bytes:
            self._drop_oldest_sound()
        return []

    def open(self) -> list[Send]:
        """Return all that was kept; from here on everything passes."""
        self.is_open = True
        kept = list(self._kept)
        self._kept.clear()
        self._sound_bytes = 0
        return kept

    def close(self) -> None:
        """Keep everything again, until the next `open`."""
        self.is_open = False

    def _drop_oldest_sound(self) -> None:
        oldest = next(message for message in self._kept if message.droppable)
        self._kept.remove(oldest)
        self._sound_bytes -= len(oldest.message)
        self.dropped += 1
