"""The user's side of the sound: where turns begin and end, and what has to be heard before it is known what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.formats import Decoder, from_base64
from voicepipe.local.openai_ga.finished import sounds_finished
from voicepipe.local.openai_ga.hearing import InputBuffer, SpeechBegan, SpeechEnded, SpeechPaused
from voicepipe.local.speech import Pcm, VoiceActivity
from voicepipe.local.wishes import Hear

_EAGERNESS: Final[Mapping[str, str]] = MappingProxyType(
    {"patient": "low", "normal": "medium", "eager": "high"}
)


@dataclass(frozen=True, slots=True)
class Began:
    """The user has begun to speak."""


@dataclass(frozen=True, slots=True)
class SaidSoFar:
    """The user pauses, having said this."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """The user's turn is over; empty if there were no words in it."""

    text: str


Noticed: TypeAlias = Began | SaidSoFar | Said | Hear


class Listening:
    """Finds turns: a pause raises the question whether what was said so far sounds finished.

    Args:
        activity: Tells speech from silence.
        agent: Whose format the sound has, and whose patience decides.
    """

    def __init__(self, activity: VoiceActivity, agent: Agent) -> None:
        self._activity = _Scored(activity)
        self._input = InputBuffer(self._activity)
        self._decoder = Decoder(agent.input_format)
        eagerness = _EAGERNESS[agent.turn_eagerness]
        self._detection: dict[str, Any] = {"type": "semantic_vad", "eagerness": eagerness}
        self._keys = 0
        self._question = ""
        self._guess: str | None = None
        self._unheard: set[str] = set()

    @property
    def goes_on(self) -> bool:
        """Whether the user speaks, or what was said is not known yet."""
        return self._input.speaks or bool(self._unheard)

    def append(self, sound: str) -> list[Noticed]:
        """Take sound, base64, in the agent's input format.

        Raises:
            Refusal: It is not base64.
        """
        noticed: list[Noticed] = []
        for found in self._input.append(self._decoder.process(from_base64(sound)), self._detection):
            if isinstance(found, SpeechBegan):
                self._question, self._guess = "", None
                noticed.append(Began())
            elif isinstance(found, SpeechPaused):
                noticed.append(self._ask(found.pcm))
            else:
                noticed += self._ended(found)
        return noticed

    def heard(self, key: str, text: str) -> list[Noticed]:
        """Take the words found in what was to be heard."""
        if key in self._unheard:
            self._unheard.remove(key)
            return [Said(text.strip())]
        if key != self._question:
            return []
        self._guess = text
        ended = self._input.end_turn() if sounds_finished(text) else None
        return self._ended(ended) if ended is not None else [SaidSoFar(text.strip())]

    def score(self) -> float | None:
        """Return the highest voice activity since the last call; None if none was judged."""
        return self._activity.take()

    def _ask(self, pcm: Pcm) -> Hear:
        self._question, self._guess = self._new_key(), None
        return Hear(self._question, pcm)

    def _ended(self, found: SpeechEnded) -> list[Noticed]:
        guess, self._question, self._guess = self._guess, "", None
        if guess is not None:
            return [Said(guess.strip())]
        key = self._new_key()
        self._unheard.add(key)
        return [Hear(key, found.pcm)]

    def _new_key(self) -> str:
        self._keys += 1
        return f"sound {self._keys}"


class _Scored:
    """Voice activity whose highest confidence can be asked for."""

    def __init__(self, activity: VoiceActivity) -> None:
        self.sample_rate = activity.sample_rate
        self.window = activity.window
        self._activity = activity
        self._highest: float | None = None

    def confidence(self, pcm: Pcm) -> float:
        confidence = self._activity.confidence(pcm)
        self._highest = max(confidence, self._highest or 0.0)
        return confidence

    def reset(self) -> None:
        self._activity.reset()

    def take(self) -> float | None:
        highest, self._highest = self._highest, None
        return highest
