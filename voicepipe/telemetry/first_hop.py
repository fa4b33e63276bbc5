"""Seeing each frame of a pipeline once: what every observer here that writes something down stands on."""

from __future__ import annotations

from abc import abstractmethod

from pipecat.observers.base_observer import FramePushed

from voicepipe.frames import Frame
from voicepipe.shortcuts import SelectiveObserver


class FirstHopObserver(SelectiveObserver):
    """Is told of each frame at its first hop; of a broadcast one, of the copy that goes first."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self._seen: set[int] = set()

    @abstractmethod
    def observed(self, frame: Frame, at_ms: float) -> None:
        """Take note of a frame.

        Args:
            frame: The frame.
            at_ms: When it was pushed, in milliseconds since the pipeline's start.
        """

    async def on_push_frame(self, data: FramePushed) -> None:
        """Pick out what is wanted, once."""
        if not data.first_push or not self.observes(type(data.frame)):
            return
        sibling = data.frame.broadcast_sibling_id
        if sibling is not None:
            if sibling in self._seen:
                self._seen.discard(sibling)
                return
            self._seen.add(data.frame.id)
        self.observed(data.frame, data.timestamp / 1e6)
