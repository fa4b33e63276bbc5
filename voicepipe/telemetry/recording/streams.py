"""Texts that come in pieces, held back until nothing in them can be part of something that is to be masked.

A card number that is spread over ten deltas is in none of them, so the pieces are looked at together. Only the entries of
these pieces wait; all others are written at once, and a reader puts them in order by their numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from voicepipe.telemetry.recording.masking import LONGEST_MATCH, Matcher, masked_pieces


@dataclass(slots=True)
class _Piece:
    text: str
    entry: dict[str, Any]
    put: Callable[[str], None]


@dataclass(slots=True)
class _Stream:
    pieces: list[_Piece] = field(default_factory=list[_Piece])
    length: int = 0


class Streams:
    """The texts of a call that are still growing.

    Args:
        matcher: Finds what is to be masked.
        write: Is given entries that are fit to be written.
    """

    def __init__(self, matcher: Matcher, write: Callable[[dict[str, Any]], None]) -> None:
        self._matcher = matcher
        self._write = write
        self._streams: dict[str, _Stream] = {}

    def add(self, key: str, text: str, entry: dict[str, Any], put: Callable[[str], None]) -> bool:
        """Take the next piece of a text.

        Args:
            key: Which text it belongs to.
            text: The piece.
            entry: What is to be written for it.
            put: Puts the masked piece into the entry.

        Returns:
            Whether something in the text so far is masked whose sound must not be kept either.
        """
        stream = self._streams.setdefault(key, _Stream())
        stream.pieces.append(_Piece(text, entry, put))
        stream.length += len(text)
        whole = "".join(piece.text for piece in stream.pieces)
        if stream.length > 2 * LONGEST_MATCH:
            self._release(stream, keep=LONGEST_MATCH)
        return self._matcher.is_said_in(whole)

    def end(self, key: str) -> None:
        """A text is whole."""
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._release(stream, keep=0)

    def end_all(self, prefix: str = "") -> None:
        """All texts whose key begins so are whole."""
        for key in [key for key in self._streams if key.startswith(prefix)]:
            self.end(key)

    def _release(self, stream: _Stream, *, keep: int) -> None:
        pieces = [piece.text for piece in stream.pieces]
        spans = self._matcher.spans("".join(pieces))
        for piece, text in zip(stream.pieces, masked_pieces(pieces, spans), strict=True):
            piece.put(text)
        kept: list[_Piece] = []
        while stream.pieces and sum(len(piece.text) for piece in kept) < keep:
            kept.insert(0, stream.pieces.pop())
        # A match that may go on in what is kept, or began in what goes, is masked on both sides.
        for piece in stream.pieces:
            self._write(piece.entry)
        stream.pieces = kept
        stream.length = sum(len(piece.text) for piece in kept)
