"""What a conversation holds, in the order of its items, with of each answer what the listener heard.

The order is that of the items, not of the arrival of their words: a turn's transcript may come long after the answer to
it (promise P-16). A new connection is told a conversation from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from voicepipe.errors import SettingsError
from voicepipe.realtime.session import Role

_MS_A_LETTER: Final = 60.0
"""How long a letter takes to say, where an answer's length is not known yet: English is spoken at 15 letters a second."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words of somebody."""

    item_id: str
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A function call; `arguments` is a JSON text."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a function gave."""

    call_id: str
    output: str


Entry: TypeAlias = Said | Called | Answered


@dataclass(slots=True)
class _Words:
    role: Role
    text: str = ""
    sound_ms: float = 0.0
    is_done: bool = False
    heard_ms: float | None = None

    def heard(self) -> str:
        """The words that were heard: the share of them that the sound played is of all of it, whole words only."""
        if self.heard_ms is None:
            return self.text
        whole_ms = self.sound_ms if self.is_done else max(self.sound_ms, len(self.text) * _MS_A_LETTER)
        if self.heard_ms >= whole_ms:
            return self.text
        end = int(len(self.text) * self.heard_ms / whole_ms)
        inside_a_word = not self.text[end : end + 1].isspace()
        heard = self.text[:end]
        return (heard.rpartition(" ")[0] if inside_a_word else heard).rstrip()


class History:
    """The items of one conversation. An unknown id makes a new item at the end."""

    def __init__(self) -> None:
        self._items: dict[str, _Words | Called | Answered] = {}

    def __bool__(self) -> bool:
        return bool(self.entries())

    def place(self, item_id: str, role: Role, after: str | None = None) -> None:
        """Keep a place for words that are still to come.

        Args:
            item_id: The item.
            role: Whose words they are.
            after: The item it stands behind; None or an unknown one is the end.
        """
        if item_id in self._items:
            return
        last = next(reversed(self._items), None)
        self._items[item_id] = _Words(role)
        if after in self._items and after != last:
            self._move_behind(item_id, after)

    def said(self, item_id: str, role: Role, text: str) -> None:
        """Take all of the words of an item.

        Raises:
            SettingsError: They are no text; nothing is taken.
        """
        _refuse_no_text(text)
        self._words(item_id, role).text = text

    def says(self, item_id: str, text: str) -> None:
        """Take further words of the bot's."""
        self._words(item_id, "assistant").text += text

    def sounds(self, item_id: str, ms: float) -> None:
        """Take note of further sound of the bot's, in milliseconds."""
        self._words(item_id, "assistant").sound_ms += ms

    def done(self, item_id: str) -> None:
        """Take note that an item is whole."""
        item = self._items.get(item_id)
        if isinstance(item, _Words):
            item.is_done = True

    def heard(self, item_id: str, ms: float) -> None:
        """Take note that the listener heard no more of an item than so many milliseconds."""
        item = self._items.get(item_id)
        if isinstance(item, _Words):
            item.heard_ms = ms

    def broke_off(self, item_id: str) -> None:
        """Take note that an item ends with the sound that came of it; its words were ahead of that."""
        item = self._items.get(item_id)
        if isinstance(item, _Words) and item.heard_ms is None:
            item.heard_ms = item.sound_ms

    def called(self, call_id: str, name: str, arguments: str) -> None:
        """Take a function call."""
        self._items.setdefault(f"call {call_id}", Called(call_id, name, arguments))

    def answered(self, call_id: str, output: str) -> None:
        """Take what a function gave; it stands behind its call and the other calls made with it."""
        key = f"answer {call_id}"
        self._items.setdefault(key, Answered(call_id, output))
        call = f"call {call_id}"
        if call in self._items:
            self._move_behind(key, self._last_of_run(call))

    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self._items.pop(item_id, None)

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()

    def text_of(self, item_id: str) -> str:
        """Return the words of an item as they were heard; "" if there are none."""
        item = self._items.get(item_id)
        return item.heard() if isinstance(item, _Words) else ""

    def entries(self, newest: int | None = None) -> list[Entry]:
        """Return what there is, oldest first; items without words are left out.

        Args:
            newest: How many at most. An answer whose call would be left out is left out as well.
        """
        found: list[Entry] = []
        for item_id, item in self._items.items():
            if isinstance(item, Called | Answered):
                found.append(item)
            elif text := item.heard().strip():
                found.append(Said(item_id, item.role, text))
        if newest is None or len(found) <= newest:
            return found
        kept = found[-newest:] if newest else []
        calls = {entry.call_id for entry in kept if isinstance(entry, Called)}
        return [entry for entry in kept if not isinstance(entry, Answered) or entry.call_id in calls]

    def _words(self, item_id: str, role: Role) -> _Words:
        item = self._items.setdefault(item_id, _Words(role))
        return item if isinstance(item, _Words) else _Words(role)

    def _last_of_run(self, call: str) -> str:
        """Return the last of the calls and answers that follow a call without words between them."""
        last, seen = call, False
        for key, item in self._items.items():
            if key == call:
                seen = True
            elif seen and key != f"answer {call.removeprefix('call ')}":
                if isinstance(item, _Words):
                    break
                last = key
        return last

    def _move_behind(self, item_id: str, after: str) -> None:
        item = self._items.pop(item_id)
        reordered: dict[str, _Words | Called | Answered] = {}
        for key, value in self._items.items():
            reordered[key] = value
            if key == after:
                reordered[item_id] = item
        self._items = reordered


def _refuse_no_text(text: object) -> None:
    if not isinstance(text, str):
        raise SettingsError("text", f"is a text, not {type(text).__name__}")
