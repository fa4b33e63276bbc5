"""How much sound of each item arrived, and what has to be said to the server when a listener heard only a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import Send
from voicepipe.services.openai.realtime import wire

_REMEMBERED_ITEMS = 64
"""Sound that a listener may still be hearing; older items have long been played."""


@dataclass(slots=True)
class _Spoken:
    response_id: str
    content_index: int
    received_bytes: int = 0
    is_done: bool = False


class SpokenItems:
    """Per item: what arrived, so that no truncation ever names more than that (promise P-1)."""

    def __init__(self, bytes_per_ms: int) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._items: dict[str, _Spoken] = {}
        self._to_delete: dict[str, list[str]] = {}

    def received(self, response_id: str, item_id: str, content_index: int, sound: bytes) -> None:
        """Take note of sound that arrived, in the session's output format."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Spoken(response_id, content_index)
            if len(self._items) > _REMEMBERED_ITEMS:
                del self._items[next(iter(self._items))]
        item.received_bytes += len(sound)

    def knows(self, item_id: str) -> bool:
        """Whether sound of this item arrived that has not been cut."""
        return item_id in self._items

    def done(self, item_id: str) -> None:
        """Take note that no more sound of an item will come."""
        if item_id in self._items:
            self._items[item_id].is_done = True

    def cut(self, heard: Sequence[Heard], running: str | None) -> list[Send]:
        """Return what leaves in history just what was heard.

        An item of which nothing was heard is deleted, never truncated at 0 (promise P-2); while its response runs that
        waits for the response's end.

        Args:
            heard: What was played of each item.
            running: The response that has not ended, if any.
        """
        messages: list[Send] = []
        for part in heard:
            item = self._items.pop(part.item_id, None)
            if item is None:
                continue
            received_ms = item.received_bytes // self._bytes_per_ms
            end_ms = min(int(part.played_ms), received_ms)
            if end_ms >= received_ms and item.is_done:
                continue
            if end_ms > 0:
                messages.append(wire.truncate_item(part.item_id, item.content_index, end_ms))
            elif item.response_id == running:
                self._to_delete.setdefault(item.response_id, []).append(part.item_id)
            else:
                messages.append(wire.delete_item(part.item_id))
        return messages

    def response_finished(self, response_id: str) -> list[Send]:
        """Return the deletions that waited for this response's end."""
        return [wire.delete_item(item_id) for item_id in self._to_delete.pop(response_id, [])]
