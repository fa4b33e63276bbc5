"""Cuts text into sentences, so that a voice can start on the first one while the rest is still being thought of."""

from __future__ import annotations

import re
from typing import Final

# White space must follow, or "3.5" and "example.com" would be cut.
_END: Final = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+")
_TITLES: Final = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "no.", "vs.", "e.g.", "i.e."})


class SentenceSplitter:
    """Takes text as it comes and gives each sentence once it is known to be over.

    Example:
        >>> splitter = SentenceSplitter()
        >>> splitter.feed("It is four. Any")
        ['It is four.']
        >>> splitter.rest()
        'Any'
    """

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> list[str]:
        """Return the sentences that `text` finishes."""
        self._text += text
        found: list[str] = []
        start = 0
        for end in _END.finditer(self._text):
            sentence = self._text[start : end.end()].strip()
            if sentence.rpartition(" ")[2].lower() in _TITLES:
                continue
            found.append(sentence)
            start = end.end()
        self._text = self._text[start:]
        return found

    def rest(self) -> str:
        """Return what is left when no more text comes."""
        rest, self._text = self._text.strip(), ""
        return rest


def sentences(text: str) -> list[str]:
    """Return the sentences of a whole text."""
    splitter = SentenceSplitter()
    return [sentence for sentence in (*splitter.feed(text), splitter.rest()) if sentence]
