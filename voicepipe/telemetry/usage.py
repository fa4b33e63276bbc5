"""What one call used: tokens by model and kind, seconds, characters. A ledger without prices and without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voicepipe.realtime.events import TranscriptionUsage, Usage
from voicepipe.telemetry.tokens import TokenKind, split

_TOKENS_A_SECOND: Final = 10
"""Of the user's sound (protocol page, section 10.4). A transcription that counts tokens is priced by the minute all the
same, so its length is worked out from them; a prompt makes it a little too long."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a call used so far.

    Parameters:
        tokens: By model, the tokens of each kind; None is a model whose name was not told.
        transcribed_secs: By model, the seconds of sound that were written down.
        spoken_chars: By model, the characters that were spoken, where speaking is not the model's.
        responses: How many responses the tokens are of.
    """

    tokens: Mapping[str | None, Mapping[TokenKind, int]]
    transcribed_secs: Mapping[str | None, float]
    spoken_chars: Mapping[str | None, int]
    responses: int = 0

    @property
    def total_tokens(self) -> int:
        """All tokens of all models."""
        return sum(sum(kinds.values()) for kinds in self.tokens.values())

    def tokens_by_kind(self) -> Mapping[TokenKind, int]:
        """Return the tokens of all models together, by kind."""
        return sum((Counter(kinds) for kinds in self.tokens.values()), Counter[TokenKind]())


@dataclass(slots=True)
class Ledger:
    """Adds up what is used."""

    _tokens: dict[str | None, Counter[TokenKind]] = field(
        default_factory=dict[str | None, "Counter[TokenKind]"]
    )
    _transcribed: dict[str | None, float] = field(default_factory=dict[str | None, float])
    _spoken: Counter[str | None] = field(default_factory=Counter["str | None"])
    _responses: int = 0

    def response(self, model: str | None, usage: Usage) -> None:
        """Add the tokens of a response."""
        self._tokens.setdefault(model, Counter()).update(split(usage))
        self._responses += 1

    def transcription(self, usage: TranscriptionUsage) -> None:
        """Add a transcription of the user's words."""
        seconds = usage.seconds
        if seconds is None:
            seconds = (usage.input_tokens or 0) / _TOKENS_A_SECOND
        self._transcribed[usage.model] = self._transcribed.get(usage.model, 0.0) + seconds

    def spoken(self, model: str | None, characters: int) -> None:
        """Add a text that was spoken."""
        self._spoken[model] += characters

    def used(self) -> Used:
        """Return what was used so far."""
        tokens = {model: dict(kinds) for model, kinds in self._tokens.items()}
        return Used(tokens, dict(self._transcribed), dict(self._spoken), self._responses)
