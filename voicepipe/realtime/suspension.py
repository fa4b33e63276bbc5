"""An answer that was stopped because the user spoke, until it is known whether the user said anything.

The server is not told of it in the meantime: what it sends is held, so that the answer can go on where it was stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import AudioChunk, Happening


class SentSound:
    """The sound of the bot that went out and may not have been heard yet."""

    def __init__(self) -> None:
        self._chunks: deque[AudioChunk] = deque()

    def add(self, chunk: AudioChunk) -> None:
        """Keep sound that goes out; that of older responses is not needed any more."""
        if self._chunks and self._chunks[-1].response_id != chunk.response_id:
            self._chunks.clear()
        self._chunks.append(chunk)

    def unheard(self, heard: Sequence[Heard], sample_rate: int) -> list[AudioChunk]:
        """Return what of it was not played.

        Args:
            heard: How much of each item was played.
            sample_rate: Of the sound, in hertz.
        """
        left = {part.item_id: round(part.played_ms * sample_rate / 1000) for part in heard}
        found: list[AudioChunk] = []
        for chunk in self._chunks:
            if chunk.item_id not in left:
                continue
            played = min(left[chunk.item_id], chunk.samples)
            left[chunk.item_id] -= played
            if played < chunk.samples:
                found.append(chunk.without(played))
        self._chunks.clear()
        return found


class Suspension:
    """One answer that was stopped.

    Args:
        response_id: The answer.
        heard: What was heard of each item.
        unheard: The sound that went out and was not.
    """

    def __init__(self, response_id: str, heard: Sequence[Heard], unheard: Sequence[AudioChunk]) -> None:
        self.response_id = response_id
        self.heard = heard
        self.held: list[Happening] = list(unheard)
        """What comes next if the answer goes on."""
