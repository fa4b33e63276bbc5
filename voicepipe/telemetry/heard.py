"""How much of an answer was heard, and which of its words: an account kept from the frames that pass."""

from __future__ import annotations

from voicepipe.audio.playback import PlaybackClock
from voicepipe.frames import PlaybackMarkFrame, TTSAudioRawFrame
from voicepipe.telemetry.calls import Turn

_BYTES_A_SAMPLE = 2


class Playout:
    """The playback of a call's answers. All times are milliseconds on the event loop's clock."""

    def __init__(self) -> None:
        self._clock = PlaybackClock()
        self._turn_index: int | None = None

    def sent(self, turn: Turn, frame: TTSAudioRawFrame, now_ms: float) -> None:
        """Take note of sound of a turn's answer that left for the listener."""
        if turn.index != self._turn_index:
            self._clock, self._turn_index = PlaybackClock(), turn.index
        duration_ms = len(frame.audio) / (_BYTES_A_SAMPLE * frame.num_channels) / frame.sample_rate * 1000
        self._clock.sent(frame.context_id or "", "", duration_ms, now_ms)
        turn.said_ms = round(turn.said_ms + duration_ms, 1)

    def mark(self, frame: PlaybackMarkFrame) -> None:
        """Take a transport's word for how far playback is."""
        self._clock.mark(frame.context_id, frame.played_ms, frame.at_ms)

    def update(self, turn: Turn, now_ms: float) -> None:
        """Write down how much of a turn's answer was heard by now."""
        if turn.index == self._turn_index:
            turn.heard_ms = round(max(0.0, turn.said_ms - self._clock.remaining_ms(now_ms)), 1)

    def is_playing(self, turn: Turn, now_ms: float) -> bool:
        """Whether the listener still has some of a turn's answer to hear."""
        return turn.index == self._turn_index and self._clock.is_playing(now_ms)

    def cut(self, turn: Turn, now_ms: float) -> None:
        """Take note that the listener's player was emptied, and write down what was heard of a turn's answer."""
        self.update(turn, now_ms)
        if turn.index == self._turn_index:
            self._clock.cut(now_ms)
        turn.heard_text = words_heard(turn.bot_text, turn.heard_ms, turn.said_ms)


def words_heard(text: str, heard_ms: float, said_ms: float) -> str:
    """Return the words of an answer that were heard, by the share of its sound, to the last whole word."""
    if heard_ms <= 0:
        return ""
    if heard_ms >= said_ms:
        return text
    length = int(len(text) * heard_ms / said_ms)
    if length < len(text) and not text[length].isspace():
        length = text.rfind(" ", 0, length) + 1
    return text[:length].rstrip()
