"""The input audio buffer and the turns in it (protocol page, 5 and 11.2). Times are counted in sound, not by a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np

from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.speech import Pcm, VoiceActivity
from voicepipe.local.wishes import RATE

_SAMPLES_A_MS: Final = RATE // 1000
_SHORTEST_COMMIT_MS: Final = 100
_LONGEST_BUFFER_MS: Final = 10 * 60 * 1000
"""A client that never commits must not fill the memory."""
_SPEECH_WINDOWS: Final = 2
"""How many windows in a row must sound like speech for a turn to begin: one alone may be a click."""
_HYSTERESIS: Final = 0.15
"""How much less than the threshold still is speech within a turn, as in Silero's own iterator."""
_SLACK_MS: Final = 200
"""What is kept between turns besides the padding: speech may have begun in windows that are not judged yet."""
_SEMANTIC_PAUSE_MS: Final = 300
_SEMANTIC_PADDING_MS: Final = 300
_LONGEST_WAIT_MS: Final[Mapping[str, int]] = MappingProxyType(
    {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
)


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech was found; it began `at_ms` into the session's sound, padding included."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """In semantic turn detection: a pause, after which a turn may be over or not. `pcm` is its sound so far."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """A turn is over; it ended `at_ms` into the session's sound, silence included. `pcm` is its sound."""

    at_ms: int
    pcm: Pcm


Found: TypeAlias = SpeechBegan | SpeechPaused | SpeechEnded


@dataclass(frozen=True, slots=True)
class _Detection:
    """A turn detection in numbers; `asks_ms` of silence raise the question whether the turn is over."""

    threshold: float
    padding_ms: int
    silence_ms: int
    asks_ms: int | None

    @classmethod
    def of(cls, wire: Mapping[str, Any]) -> _Detection:
        if wire["type"] == "semantic_vad":
            return cls(0.5, _SEMANTIC_PADDING_MS, _LONGEST_WAIT_MS[wire["eagerness"]], _SEMANTIC_PAUSE_MS)
        return cls(wire["threshold"], wire["prefix_padding_ms"], wire["silence_duration_ms"], None)


class InputBuffer:
    """Takes s16le at 24 kHz, finds turns, and keeps the sound until it is committed.

    Args:
        activity: Tells speech from silence; its own rate is served by resampling.
    """

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._resampler = StreamResampler(RATE, activity.sample_rate)
        self._sound = bytearray()
        self._received = 0
        self._begin_listening()

    @property
    def speaks(self) -> bool:
        """Whether a turn is under way."""
        return self._speaks

    @property
    def received_ms(self) -> int:
        """How much sound the session has had."""
        return round(self._received / _SAMPLES_A_MS)

    @property
    def buffered_ms(self) -> float:
        """How much sound is in the buffer."""
        return len(self._sound) / 2 / _SAMPLES_A_MS

    @property
    def is_too_short(self) -> bool:
        """Whether there is less in the buffer than may be committed."""
        return self.buffered_ms < _SHORTEST_COMMIT_MS

    def append(self, pcm: bytes, turn_detection: Mapping[str, Any] | None) -> list[Found]:
        """Add sound; returns what was found in it.

        Args:
            pcm: s16le mono at 24 kHz, whole samples.
            turn_detection: The turn detection in force; without one, nothing is looked for.
        """
        self._sound += pcm
        self._received += len(pcm) // 2
        self._keep_from(self._received - _LONGEST_BUFFER_MS * _SAMPLES_A_MS)
        if turn_detection is None:
            self._begin_listening()
            return []
        detection = _Detection.of(turn_detection)
        self._unjudged += self._resampler.process(pcm)
        size = 2 * self._activity.window
        found: list[Found] = []
        while len(self._unjudged) >= size:
            window, self._unjudged = self._unjudged[:size], self._unjudged[size:]
            self._judged += self._activity.window * RATE / self._activity.sample_rate
            found += self._judge(np.frombuffer(window, np.int16), detection)
        if not self._speaks:
            self._keep_from(self._received - (detection.padding_ms + _SLACK_MS) * _SAMPLES_A_MS)
        return found

    def take(self) -> Pcm:
        """Empty the buffer; returns its sound. A turn that was under way is over."""
        taken = self._take_until(self._received)
        self._begin_listening()
        return taken

    def end_turn(self) -> SpeechEnded | None:
        """End a turn at the pause that was told last; None if there is no turn, or speech has gone on since."""
        if not self._speaks or self._silence_ms < _SEMANTIC_PAUSE_MS:
            return None
        return self._end()

    def clear(self) -> None:
        """Throw the sound away, and a turn that was under way with it."""
        self._sound.clear()
        self._begin_listening()

    def _begin_listening(self) -> None:
        self._activity.reset()
        self._resampler.reset()
        self._unjudged = b""
        self._judged: float = self._received
        self._speaks = False
        self._speech_windows = 0
        self._silence_ms = 0.0

    def _judge(self, window: Pcm, detection: _Detection) -> list[Found]:
        enough = detection.threshold - (_HYSTERESIS if self._speaks else 0.0)
        window_ms = 1000 * len(window) / self._activity.sample_rate
        if self._activity.confidence(window) < enough:
            self._speech_windows = 0
            return self._hear_silence(window_ms, detection) if self._speaks else []
        self._silence_ms = 0.0
        self._speech_windows += 1
        if self._speaks or self._speech_windows < _SPEECH_WINDOWS:
            return []
        self._speaks = True
        onset_ms = self._judged_ms - self._speech_windows * window_ms
        self._keep_from(round((onset_ms - detection.padding_ms) * _SAMPLES_A_MS))
        return [SpeechBegan(round(self._start / _SAMPLES_A_MS))]

    def _hear_silence(self, window_ms: float, detection: _Detection) -> list[Found]:
        before, self._silence_ms = self._silence_ms, self._silence_ms + window_ms
        if self._silence_ms >= detection.silence_ms:
            return [self._end()]
        if detection.asks_ms is not None and before < detection.asks_ms <= self._silence_ms:
            return [SpeechPaused(np.frombuffer(bytes(self._sound), np.int16))]
        return []

    def _end(self) -> SpeechEnded:
        self._speaks = False
        self._silence_ms = 0.0
        return SpeechEnded(round(self._judged_ms), self._take_until(round(self._judged)))

    @property
    def _judged_ms(self) -> float:
        return self._judged / _SAMPLES_A_MS

    @property
    def _start(self) -> int:
        """At which of the session's samples the buffer begins."""
        return self._received - len(self._sound) // 2

    def _take_until(self, position: int) -> Pcm:
        size = 2 * max(0, min(position, self._received) - self._start)
        taken = np.frombuffer(bytes(self._sound[:size]), np.int16)
        del self._sound[:size]
        return taken

    def _keep_from(self, position: int) -> None:
        self._take_until(position)
