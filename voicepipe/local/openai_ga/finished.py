"""Whether a sentence sounds finished, for `semantic_vad`: a list of words, where the API has a model."""

from __future__ import annotations

import re
from typing import Final

_WANTS_MORE: Final = re.compile(
    r"a|an|the|and|or|but|so|because|which|whose|if|unless|while|although|than|as|of|to|in|on|at|by|for|from|with|about|into"
    r"|between|my|your|his|its|our|their|every|i|i'm|i'd|i'll|we're|they're|um|uh|er|erm|hmm"
)
_OPEN_ENDS: Final = (",", "...", "…", "-", ":", ";")


def sounds_finished(text: str) -> bool:
    """Return whether somebody who said `text` and paused is likely to be done.

    Not if it ends in a comma, or in a word after which another has to come; whatever mark the ears put after that word.
    """
    text = text.strip()
    if text.endswith(_OPEN_ENDS):
        return False
    words: list[str] = re.findall(r"[\w']+", text.lower())
    return not words or not _WANTS_MORE.fullmatch(words[-1])
