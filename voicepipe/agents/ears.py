"""What of the user's sound reaches the model: all of it, but silence in its place while a speech must not be interrupted."""

from __future__ import annotations

from collections.abc import Callable

from pipecat.processors.frame_processor import FrameDirection

from voicepipe.frames import Frame, InputAudioRawFrame
from voicepipe.hops import SoundHops, sound_goes_around
from voicepipe.rests import Rest


class Ears(SoundHops):
    """Stands before the model, or before its speech to text.

    Silence rather than nothing: whoever finds the ends of turns in the sound has to hear that there is none.

    Args:
        are_closed: Whether the user is not to be heard now.
    """

    def __init__(self, are_closed: Callable[[], bool]) -> None:
        super().__init__(enable_direct_mode=True)
        self._are_closed = are_closed

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all frames on; sound of the user's as it is, or as silence of the same length."""
        await super().process_frame(frame, direction)
        await self.push_frame(self._heard(frame), direction)

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Pass sound on, likewise."""
        return self.hop.push(self._heard(frame), direction)

    def _heard(self, frame: Frame) -> Frame:
        if isinstance(frame, InputAudioRawFrame) and self._are_closed():
            return InputAudioRawFrame(bytes(len(frame.audio)), frame.sample_rate, frame.num_channels)
        return frame
