"""Telephone numbers: what one looks like, and what of one may be logged."""

from __future__ import annotations

import re
from typing import Final

from voicepipe.errors import SettingsError
from voicepipe.plain_words import one_line

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_KEYS: Final = frozenset("0123456789*#")
_SHOWN: Final = 4
_IN_TEXT: Final = re.compile(r"(?<![A-Za-z0-9])\+?\d{7,15}(?!\d)")


def checked_number(field: str, number: str) -> str:
    """Return a number that is in the form of E.164.

    Raises:
        SettingsError: It is not.
    """
    # A number without its plus may come as one that can be added to others.
    if not _E164.fullmatch(str(number)):
        raise SettingsError(field, f"{masked(str(number))!r} is no number like '+15550001234' (E.164)")
    return number


def checked_keys(keys: str) -> str:
    """Return keys that a telephone has.

    Raises:
        SettingsError: There are none, or others among them.
    """
    if not keys or not set(keys) <= _KEYS:
        raise SettingsError("keys", f"{keys!r} are not all of 0 to 9, * and #")
    return keys


def masked(number: str) -> str:
    """Return a number fit for a log line: its last digits alone. What a caller sends as one may be anything."""
    number = one_line(number)
    return number if len(number) <= _SHOWN else "*" * 3 + number[-_SHOWN:]


def without_numbers(text: str) -> str:
    """Return somebody else's words fit for a log line: carriers name the number that they do not call."""
    return _IN_TEXT.sub(lambda match: masked(match[0]), text)
