"""How late the bot's sound was, whether it had gaps, and whether any was lost, of one answer after the other.

What the API said is learned from the local server's events, what the caller got from the carrier's messages. Both ends and
the bot run in one loop here, so what is measured has the server's and the carrier's own waiting for the loop in it: it is
an upper bound of what the bot adds.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

LINE_BYTES_PER_MS: Final = 8
"""Of mu-law at 8 kHz."""
_API_BYTES_PER_MS: Final = 48
"""Of s16le mono at 24 kHz."""
_ROUNDING_MS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of an answer's sound.

    Parameters:
        at_ms: When it left the API, or reached the carrier, on the loop's clock.
        length_ms: How long it lasts.
    """

    at_ms: float
    length_ms: float


def late_ms(sent: Sequence[Piece], got: Sequence[Piece]) -> list[float]:
    """Return how much later each piece reached the carrier than the API had sent its last sample.

    What comes at the end beyond the length of all that was sent, the rest of a filter, is in no list.
    """
    found: list[float] = []
    ends = list(accumulate(piece.length_ms for piece in sent))
    index = 0
    for piece, end_ms in zip(got, accumulate(piece.length_ms for piece in got), strict=True):
        while index < len(ends) and ends[index] < end_ms - _ROUNDING_MS:
            index += 1
        if index == len(ends):
            break
        found.append(piece.at_ms - sent[index].at_ms)
    return found


def gaps_ms(got: Sequence[Piece]) -> list[float]:
    """Return how long the caller heard nothing, each time that happened before the answer was over."""
    found: list[float] = []
    plays_until_ms = got[0].at_ms if got else 0.0
    for piece in got:
        if piece.at_ms > plays_until_ms:
            found.append(piece.at_ms - plays_until_ms)
        plays_until_ms = max(plays_until_ms, piece.at_ms) + piece.length_ms
    return found


@dataclass
class Said:
    """What the API said in one session.

    Parameters:
        pieces: Of the answers since they were last taken.
        answers: How many have ended.
        cut: How many did not end as completed.
    """

    pieces: list[Piece] = field(default_factory=list[Piece])
    answers: int = 0
    cut: int = 0

    @property
    def length_ms(self) -> float:
        """Of the pieces together."""
        return sum(piece.length_ms for piece in self.pieces)

    def take(self) -> list[Piece]:
        """Return the pieces, and forget them."""
        pieces, self.pieces = self.pieces, []
        return pieces


class Ledger:
    """What the API said to whom. A caller says its own words, by which a session is known to be the caller's."""

    def __init__(self) -> None:
        self._sessions: dict[str, Said] = {}
        self._by_words: dict[str, str] = {}

    def note(self, way: str, event: Mapping[str, Any]) -> None:
        """Take an event of the local server, of any session."""
        if way != "out":
            return
        kind = event["type"]
        if kind == "response.output_audio.delta":
            length_ms = len(b64decode(event["delta"])) / _API_BYTES_PER_MS
            self._said(event["item_id"]).pieces.append(Piece(now_ms(), length_ms))
        elif kind == "response.done":
            said = self._said(event["response"]["id"])
            said.answers += 1
            said.cut += event["response"]["status"] != "completed"
        elif kind == "conversation.item.input_audio_transcription.completed":
            self._by_words[event["transcript"]] = _session(event["item_id"])

    def said_to(self, words: str) -> Said:
        """Return what was said in the session of the caller who says these words; empty as long as it is not known."""
        session = self._by_words.get(words)
        return self._sessions.get(session, Said()) if session else Said()

    def forget(self, words: str) -> None:
        """Let go of a caller's session."""
        self._sessions.pop(self._by_words.pop(words, ""), None)

    def _said(self, id_: str) -> Said:
        return self._sessions.setdefault(_session(id_), Said())


class Line:
    """What reached the carrier of one call; `note` is its `on_message`."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def note(self, way: str, message: str | bytes, at_ms: float) -> None:
        """Take a message of the call."""
        if way != "in":
            return
        event = json.loads(message)
        if event.get("event") in ("media", "playAudio"):
            length_ms = len(b64decode(event["media"]["payload"])) / LINE_BYTES_PER_MS
            self._pieces.append(Piece(at_ms, length_ms))

    def take(self) -> list[Piece]:
        """Return the pieces since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces


def now_ms() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time() * 1000


def _session(id_: str) -> str:
    """Return what the ids of one session of the local server have in common."""
    return id_.partition("_")[2][:7]
