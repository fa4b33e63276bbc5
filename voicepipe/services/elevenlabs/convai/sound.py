"""The user's sound that is kept: before a conversation has begun, and in case that it has to be said again."""

from __future__ import annotations

from collections import deque
from typing import Final

from voicepipe.audio.resampler import StreamResampler
from voicepipe.realtime.events import Send
from voicepipe.services.elevenlabs.convai import wire
from voicepipe.services.elevenlabs.convai.formats import WireFormat

HOLD_MS: Final = 10_000
"""How much of the user's sound is kept at most."""
_CHUNK_MS: Final = 100


class KeptSound:
    """The newest sound, no more of it than `HOLD_MS`; the rate of sound may change from one connection to the next."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._ms = 0.0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def add(self, pcm: bytes, sample_rate: int) -> None:
        """Keep sound, s16le mono; the oldest makes room for it."""
        self._chunks.append((sample_rate, pcm))
        self._ms += _ms(sample_rate, pcm)
        while self._ms > HOLD_MS and len(self._chunks) > 1:
            self._ms -= _ms(*self._chunks.popleft())

    def keep(self, ms: float) -> None:
        """Forget all but the newest sound, as much as is needed for so many milliseconds."""
        while self._chunks and self._ms - _ms(*self._chunks[0]) >= ms:
            self._ms -= _ms(*self._chunks.popleft())

    def put(self, other: KeptSound) -> None:
        """Take over what another one keeps."""
        for sample_rate, pcm in other._chunks:
            self.add(pcm, sample_rate)
        other.clear()

    def take(self, kind: WireFormat) -> list[Send]:
        """Return all of it as messages in a format of the wire, oldest first, and forget it."""
        whole, resampler = bytearray(), None
        for sample_rate, pcm in self._chunks:
            if resampler is None or resampler.in_rate != sample_rate:
                whole += resampler.flush() if resampler else b""
                resampler = StreamResampler(sample_rate, kind.sample_rate)
            whole += resampler.process(pcm)
        whole += resampler.flush() if resampler else b""
        self.clear()
        size = 2 * kind.sample_rate * _CHUNK_MS // 1000
        pieces = (bytes(whole[start : start + size]) for start in range(0, len(whole), size))
        return [wire.audio(kind.encode(piece)) for piece in pieces]

    def clear(self) -> None:
        """Forget everything."""
        self._chunks.clear()
        self._ms = 0.0


def _ms(sample_rate: int, pcm: bytes) -> float:
    return len(pcm) * 500 / sample_rate
