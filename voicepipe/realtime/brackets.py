"""The frames that bracket a response and its sound: each opened once and closed once, however the response ends."""

from __future__ import annotations

from voicepipe.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)


class Brackets:
    """Which brackets are open. Each method returns the frames to push."""

    def __init__(self) -> None:
        self._response_id: str | None = None
        self._sounds = False

    @property
    def response_id(self) -> str | None:
        """The response that is open."""
        return self._response_id

    def begin(self, response_id: str) -> list[Frame]:
        """Open a response; one that is still open is closed first."""
        frames = self.end()
        self._response_id = response_id
        return [*frames, LLMFullResponseStartFrame()]

    def sound(self) -> list[Frame]:
        """Open the sound of the response, if it is not open."""
        if self._sounds:
            return []
        self._sounds = True
        return [TTSStartedFrame(context_id=self._response_id)]

    def end(self, response_id: str | None = None) -> list[Frame]:
        """Close what is open.

        Args:
            response_id: If given, only this response is closed.
        """
        if self._response_id is None or response_id not in (None, self._response_id):
            return []
        frames: list[Frame] = [TTSStoppedFrame(context_id=self._response_id)] if self._sounds else []
        self._response_id, self._sounds = None, False
        return [*frames, LLMFullResponseEndFrame()]
