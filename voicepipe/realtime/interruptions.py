"""When speech of the user's interrupts the bot: the policy, and the one decision it leads to (promise P-20).

A plain object; the service tells it what is heard and asks what to do. Speech is measured by its loudness, since a server
tells the end of speech only after a silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from voicepipe.errors import SettingsError

_AS_LOUD: Final = 0.1
"""Sound is speech if it is no more than 20 dB below the loudest since speech began."""


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Who may interrupt the bot, and how.

    Parameters:
        allowed: False lets nobody: the user's sound is held off while the bot speaks or is about to.
        while_off: What becomes of that sound: `mute` drops it, `keep` sends the newest ten seconds of it afterwards.
        min_speech_ms: How long the user must speak before it counts.
        min_words: How many words must be understood before it counts; needs the transcription of the input.
        resume_after_ms: If the user was interrupting and no word was understood for so long after, the bot goes on from
            where it was stopped; needs the transcription of the input. None: it does not.

    Raises:
        SettingsError: A number is negative.
    """

    allowed: bool = True
    while_off: Literal["mute", "keep"] = "mute"
    min_speech_ms: int = 0
    min_words: int = 0
    resume_after_ms: int | None = None

    def __post_init__(self) -> None:
        for name in ("min_speech_ms", "min_words", "resume_after_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise SettingsError(f"interruptions.{name}", f"{value} is negative")

    @property
    def are_judged(self) -> bool:
        """Whether it takes more than the server's word that somebody speaks."""
        return self.allowed and bool(self.min_speech_ms or self.min_words or self.resume_after_ms is not None)

    @property
    def need_words(self) -> bool:
        """Whether they need the transcription of the input."""
        return self.min_words > 0 or self.resume_after_ms is not None


class Gate:
    """Judges the speech that comes while the bot speaks.

    Args:
        policy: What it goes by.
    """

    def __init__(self, policy: Interruptions) -> None:
        self._policy = policy
        self.item_id: str | None = None
        """The speech that is being judged."""
        self.has_ended = False
        """Whether that speech is over."""
        self._speech_ms = 0.0
        self._words = 0
        self._loudest = 0.0

    def judge(self, item_id: str) -> bool:
        """Begin to judge speech; returns whether it interrupts already."""
        self.item_id, self.has_ended = item_id, False
        self._speech_ms = self._loudest = 0.0
        self._words = 0
        return self._interrupts()

    def sound(self, pcm: bytes, sample_rate: int) -> bool:
        """Take sound of the user's, s16le mono; returns whether the speech interrupts now."""
        samples = np.frombuffer(pcm, np.int16).astype(np.float32)
        if self.has_ended or not len(samples):
            return False
        loudness = math.sqrt(float(np.mean(np.square(samples))))
        self._loudest = max(self._loudest, loudness)
        if loudness > 0 and loudness >= _AS_LOUD * self._loudest:
            self._speech_ms += len(samples) * 1000 / sample_rate
        return self._interrupts()

    def words(self, text: str) -> bool:
        """Take what was understood of it so far; returns whether the speech interrupts now."""
        self._words = len(text.split())
        return self._interrupts()

    def ended(self) -> bool:
        """The speech is over; returns whether its words may still make it an interruption."""
        self.has_ended = True
        return self._speech_ms >= self._policy.min_speech_ms and self._policy.min_words > self._words

    def done(self) -> None:
        """The speech has been judged."""
        self.item_id = None

    def _interrupts(self) -> bool:
        return self._speech_ms >= self._policy.min_speech_ms and self._words >= self._policy.min_words
