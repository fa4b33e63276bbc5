"""The input audio buffer and the turns in it (protocol page, 5 and 11.2). Times are counted in sound, not by a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.speech import Pcm, VoiceActivity

_RATE = 24000
_PIECE_BYTES = 960
_SHORTEST_COMMIT_MS = 100
_SPEECH_WINDOWS = 2
"""How many windows in a row must sound like speech for a turn to begin: one alone may be a click."""
_SEMANTIC_SILENCE_MS = 500


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech was found; it began `at_ms` into the session's sound, padding included."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Silence was long enough; the turn ended `at_ms` into the session's sound, silence included. `pcm` is its sound."""

    at_ms: int
    pcm: Pcm


class InputBuffer:
    """Takes s16le at 24 kHz, finds turns, and keeps the sound until it is committed.

    Args:
        activity: Tells speech from silence; its own rate is served by resampling.
    """

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._resampler = StreamResampler(_RATE, activity.sample_rate)
        self._windows = b""
        self._sound = bytearray()
        self._received = 0
        self._speech_windows = 0
        self._silence_ms = 0.0
        self._speaks = False

    @property
    def speaks(self) -> bool:
        """Whether a turn is under way."""
        return self._speaks

    @property
    def buffered_ms(self) -> float:
        """How much sound is in the buffer."""
        return len(self._sound) / 48

    def append(self, pcm: bytes, detection: Mapping[str, Any] | None) -> list[SpeechBegan | SpeechEnded]:
        """Add sound; returns what was found in it.

        Args:
            pcm: s16le mono at 24 kHz, whole samples.
            detection: The turn detection in force; without one, nothing is looked for.
        """
        if detection is None:
            self._sound += pcm
            self._received += len(pcm) // 2
            return []
        found: list[SpeechBegan | SpeechEnded] = []
        # In small pieces, so that what is kept of the sound ends where the listening has come to.
        for start in range(0, len(pcm), _PIECE_BYTES):
            found += self._listen_on(pcm[start : start + _PIECE_BYTES], detection)
        return found

    def _listen_on(self, pcm: bytes, detection: Mapping[str, Any]) -> list[SpeechBegan | SpeechEnded]:
        self._sound += pcm
        self._received += len(pcm) // 2
        self._windows += self._resampler.process(pcm)
        size = 2 * self._activity.window
        found: list[SpeechBegan | SpeechEnded] = []
        while len(self._windows) >= size:
            window, self._windows = self._windows[:size], self._windows[size:]
            found += self._listen(np.frombuffer(window, np.int16), detection)
        if not self._speaks:
            self._keep_last_ms(_padding_ms(detection) + 200)
        return found

    def take(self) -> Pcm:
        """Empty the buffer; returns its sound."""
        sound = np.frombuffer(bytes(self._sound), np.int16)
        self._sound.clear()
        return sound

    def is_too_short(self) -> bool:
        """Whether there is less in the buffer than may be committed."""
        return self.buffered_ms < _SHORTEST_COMMIT_MS

    def clear(self) -> None:
        """Throw the sound away, and a turn that was under way with it."""
        self._sound.clear()
        self._windows = b""
        self._resampler.reset()
        self._speaks = False
        self._speech_windows = 0
        self._activity.reset()

    def _listen(self, window: Pcm, detection: Mapping[str, Any]) -> list[SpeechBegan | SpeechEnded]:
        window_ms = 1000 * len(window) / self._activity.sample_rate
        now_ms = self._received / (_RATE / 1000)
        is_speech = self._activity.confidence(window) >= detection.get("threshold", 0.5)
        if is_speech:
            self._silence_ms = 0.0
            self._speech_windows += 1
            if not self._speaks and self._speech_windows >= _SPEECH_WINDOWS:
                self._speaks = True
                padding_ms = _padding_ms(detection)
                self._keep_last_ms(padding_ms + self._speech_windows * window_ms)
                return [SpeechBegan(max(0, round(now_ms - padding_ms - self._speech_windows * window_ms)))]
            return []
        self._speech_windows = 0
        if self._speaks:
            self._silence_ms += window_ms
            if self._silence_ms >= detection.get("silence_duration_ms", _SEMANTIC_SILENCE_MS):
                self._speaks = False
                self._silence_ms = 0.0
                return [SpeechEnded(round(now_ms), self.take())]
        return []

    def _keep_last_ms(self, ms: float) -> None:
        extra = len(self._sound) - 2 * round(ms * _RATE / 1000)
        if extra > 0:
            del self._sound[:extra]


def _padding_ms(detection: Mapping[str, Any]) -> int:
    return int(detection.get("prefix_padding_ms", 300))
