"""Words of a stranger's, made fit for a log line or an error: nothing in them can forge a line or move a terminal."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 1000


def one_line(words: str, longest: int = _LONGEST) -> str:
    """Return words as one line of at most `longest` characters, each of which can be printed."""
    return "".join(letter if letter.isprintable() else " " for letter in words[:longest])
