"""Markup that a carrier comes for, under addresses that cannot be guessed."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

_MOST: Final = 1000


class Markups:
    """Keeps markup; the oldest goes when there is too much."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def keep(self, markup: str) -> str:
        """Keep markup, and return the key to it."""
        key = secrets.token_hex(16)
        self._kept[key] = markup
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> str | None:
        """Return markup, None if there is none."""
        return self._kept.get(key)
