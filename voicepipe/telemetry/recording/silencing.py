"""Which sound goes with words that must not be kept. A plain object; times are milliseconds since the recording began."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from voicepipe.telemetry.recording.sounds import SoundFile, Span

_BEFORE_MS: Final = 1000.0
"""Speech is told of after it has begun: the server has to be sure, and the message has its way."""
_AFTER_MS: Final = 300.0
_KEY_BEFORE_MS: Final = 500.0
_KEPT_MS: Final = 120_000.0
"""How long a turn's transcript may take."""
_JUST_NOW_MS: Final = 300.0
_MOST_OF_AN_ANSWER: Final = 60_000


@dataclass(frozen=True, slots=True)
class Silenced:
    """From when to when the caller's sound was taken out; `end_ms` may lie ahead."""

    start_ms: float
    end_ms: float


@dataclass(slots=True)
class _Turn:
    start_ms: float
    end_ms: float | None = None


class CallerSilencer:
    """Silences turns of the caller's.

    Args:
        file: Where the sound is.
    """

    def __init__(self, file: SoundFile) -> None:
        self._file = file
        self._chunks: deque[tuple[float, Span]] = deque()
        self._turns: deque[_Turn] = deque(maxlen=16)
        self._last: _Turn | None = None
        self._until_ms = float("-inf")
        self._is_private = False

    def heard(self, pcm: bytes, at_ms: float) -> Span:
        """Take sound of the caller's and return where it was written, as it is or as silence."""
        is_silent = self._is_private or at_ms <= self._until_ms
        span = self._file.put(bytes(len(pcm)) if is_silent else pcm)
        self._chunks.append((at_ms, span))
        while self._chunks[0][0] < at_ms - _KEPT_MS:
            self._chunks.popleft()
        return span

    def private(self, is_private: bool) -> None:
        """From now on nothing is kept, or everything is again."""
        self._is_private = is_private

    def speech_started(self, at_ms: float) -> None:
        """A turn of the caller's begins."""
        self._turns.append(_Turn(at_ms - _BEFORE_MS))

    def speech_stopped(self, at_ms: float) -> None:
        """It ends."""
        if self._turns and self._turns[-1].end_ms is None:
            self._turns[-1].end_ms = at_ms + _AFTER_MS

    def words_known(self) -> None:
        """The words of the oldest turn are known, and may be kept."""
        if self._turns and self._turns[0].end_ms is not None:
            self._last = self._turns.popleft()

    def doubt_last(self) -> None:
        """The words of the turn before were not all there was in it."""
        if self._last is not None:
            self._turns.appendleft(self._last)
            self._last = None

    def silence_words(self, now_ms: float) -> Silenced:
        """Silence all turns whose words are not known: transcripts may come late, and it may be in any of them."""
        turns = list(self._turns)
        start_ms = min((turn.start_ms for turn in turns), default=now_ms - 10 * _BEFORE_MS)
        is_speaking = bool(turns) and turns[-1].end_ms is None
        end_ms = max((turn.end_ms or 0.0 for turn in turns), default=now_ms)
        self._turns.clear()
        if is_speaking:
            end_ms = now_ms
            # What follows in this turn is judged with the next transcript.
            self._turns.append(_Turn(now_ms))
        return self._silence(start_ms, end_ms + _AFTER_MS)

    def silence_key(self, at_ms: float) -> Silenced:
        """Silence the tone of a key, which may be heard in the sound."""
        return self._silence(at_ms - _KEY_BEFORE_MS, at_ms + _AFTER_MS)

    def _silence(self, start_ms: float, end_ms: float) -> Silenced:
        self._until_ms = max(self._until_ms, end_ms)
        self._file.silence([span for at_ms, span in self._chunks if start_ms <= at_ms <= end_ms])
        return Silenced(max(0.0, start_ms), end_ms)


class BotSilencer:
    """Silences an answer as a whole, on the wire and as it was played.

    Args:
        file: Where the sound is.
    """

    def __init__(self, file: SoundFile) -> None:
        self._file = file
        self._spans: deque[tuple[float, Span]] = deque(maxlen=_MOST_OF_AN_ANSWER)
        self._is_silent = False

    def said(self, sound: bytes, at_ms: float) -> Span:
        """Take sound of the bot's and return where it was written, as it is or as silence."""
        span = self._file.put(bytes(len(sound))) if self._is_silent else self._file.put_once(sound)
        self._spans.append((at_ms, span))
        return span

    def answer_started(self, at_ms: float) -> None:
        """An answer begins; its first sound may have come off the wire just before."""
        kept = [one for one in self._spans if one[0] >= at_ms - _JUST_NOW_MS]
        self._spans.clear()
        self._spans.extend(kept)
        self._is_silent = False
        self._file.forget()

    def silence_answer(self) -> bool:
        """Silence the answer; returns whether it was not silent yet."""
        was_silent, self._is_silent = self._is_silent, True
        self._file.silence([span for _, span in self._spans])
        self._spans.clear()
        self._file.forget()
        return not was_silent
