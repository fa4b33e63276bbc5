"""What of a call must not be written down: card numbers, keys that were pressed, secrets, and patterns of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from voicepipe.realtime.keypad import typed

MASK: Final = "•••"
"""Stands in a text for what was taken out of it."""
LONGEST_MATCH: Final = 256
"""In characters: of a text that grows, so much of its end is looked at together with what follows."""

_DIGIT: Final = r"(?:\d|(?<![a-z])(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)(?![a-z]))"
_BETWEEN: Final = r"[\s,.\-]{0,3}"
CARD_NUMBER: Final = re.compile(
    rf"(?<![a-z0-9_]){_DIGIT}(?:{_BETWEEN}{_DIGIT}){{12,18}}(?![a-z0-9_])", re.IGNORECASE
)
"""13 to 19 digits, in figures or English words, but not within an id such as `resp_0123456789012`. Whether the check digit
is right does not matter, as ears make mistakes."""
_LONGEST_TIME_MS: Final = 3e12
"""A smaller number of 13 digits is a time in milliseconds since 1970."""
_KEY: Final = re.compile(
    r"(?:sk|pk|ek|rk)[-_][A-Za-z0-9_\-]{16,}|(?<=Bearer )[A-Za-z0-9_\-.=]{16,}|xi-api-key[\"':= ]+[A-Za-z0-9]{16,}"
)
_SECRET_NAMES: Final = re.compile(
    r"api[-_]?key|authorization|password|passwd|client[-_]?secret|(?:access|auth|bearer)[-_]?token|^secret$|^token$|cvv|cvc",
    re.IGNORECASE,
)
_PRESSED: Final = re.compile(re.escape(typed("\0")).replace("\0", r"([0-9A-D*\# ]+?)"))


@dataclass(frozen=True, slots=True)
class Masking:
    """What is taken out of a recording before it is written.

    Where the words of a turn hold something to be masked, the sound of that turn is silenced as well.

    Parameters:
        card_numbers: Whether 13 to 19 digits in a row are.
        keys: Whether the keys that a caller presses on a phone are.
        patterns: Regular expressions for more; a match longer than 256 characters may not be found in growing texts.
        secrets: Texts that are never written, such as the key in use.
    """

    card_numbers: bool = True
    keys: bool = True
    patterns: tuple[re.Pattern[str] | str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def matcher(self) -> Matcher:
        """Return what finds these things."""
        own = [re.compile(one) if isinstance(one, str) else one for one in self.patterns]
        cards = [CARD_NUMBER] if self.card_numbers else []
        known = [re.compile(re.escape(secret)) for secret in self.secrets if secret]
        return Matcher([*cards, *own], [_KEY, *known], keys=self.keys)


class Matcher:
    """Finds what is to be masked in texts and in JSON values.

    Args:
        spoken: Patterns that are said aloud: with their text, their sound goes.
        secret: Patterns that are not.
        keys: Whether pressed keys are masked.
    """

    def __init__(
        self, spoken: Iterable[re.Pattern[str]], secret: Iterable[re.Pattern[str]], *, keys: bool
    ) -> None:
        self._spoken = tuple(spoken)
        self._secret = tuple(secret)
        self.masks_keys = keys
        """Whether pressed keys are masked."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return from where to where a text is to be masked: in order, without overlaps."""
        found = [m.span() for p in (*self._spoken, *self._secret) for m in p.finditer(text)]
        if self.masks_keys:
            found += [m.span(1) for m in _PRESSED.finditer(text)]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(span for span in found if span[0] < span[1]):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def is_said_in(self, text: str) -> bool:
        """Whether a text holds something whose sound must not be kept either."""
        return any(pattern.search(text) for pattern in self._spoken)

    def text(self, text: str) -> str:
        """Return a text with the mask where something was taken out."""
        for start, end in reversed(self.spans(text)):
            text = text[:start] + MASK + text[end:]
        return text

    def value(self, value: Any) -> Any:
        """Return a JSON value with all its texts and long numbers masked, and what has a secret's name replaced."""
        if isinstance(value, str):
            return self.text(value) if len(value) > 2 else value
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            is_short = abs(value) < _LONGEST_TIME_MS
            return value if is_short or self.text(str(value)) == str(value) else MASK
        if isinstance(value, Mapping):
            items = cast("Mapping[Any, Any]", value).items()
            return {self.text(str(name)): self._named(str(name), one) for name, one in items}
        if isinstance(value, Iterable):
            return [self.value(one) for one in cast("Iterable[Any]", value)]
        return self.text(str(value))

    def _named(self, name: str, value: Any) -> Any:
        if isinstance(value, str | int) and not isinstance(value, bool) and _SECRET_NAMES.search(name):
            return MASK
        if name.lower() == "headers" and isinstance(value, Mapping):
            # Of an MCP tool's server, which may call the header with its key as it likes.
            return {self.text(str(one)): MASK for one in cast("Mapping[Any, Any]", value)}
        return self.value(value)


def masked_pieces(pieces: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """Return the pieces of a text with spans of the whole masked; the mask stands where a span begins."""
    masked: list[str] = []
    at = 0
    for piece in pieces:
        end, out, here = at + len(piece), "", at
        for start, stop in spans:
            if stop <= at or start >= end:
                continue
            out += piece[here - at : max(start, at) - at] + (MASK if start >= at else "")
            here = min(stop, end)
        masked.append(out + piece[here - at :])
        at = end
    return masked
