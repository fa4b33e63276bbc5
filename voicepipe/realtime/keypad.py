"""Keys that are pressed one after the other on a phone, put together to what somebody typed."""

from __future__ import annotations

from typing import Final

_ENTER: Final = "#"
_MOST: Final = 32


class Keypad:
    """Collects keys until `#`, a pause, or the longest entry; the pause is for whoever has a clock."""

    def __init__(self) -> None:
        self._keys = ""

    def press(self, key: str) -> str | None:
        """Take a key; returns the entry if it is complete."""
        self._keys += key
        return self.take() if key == _ENTER or len(self._keys) >= _MOST else None

    def take(self) -> str | None:
        """Return what was typed so far, None if nothing was, and begin anew."""
        keys, self._keys = self._keys, ""
        return keys or None

    @property
    def is_empty(self) -> bool:
        """Whether no key waits."""
        return not self._keys


def typed(keys: str) -> str:
    """Return an entry as words for a model."""
    return f"[The user pressed these keys on the phone's keypad: {' '.join(keys)}]"
