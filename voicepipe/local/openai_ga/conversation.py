"""The conversation's items: what the wire shows of them, and what a brain is told (protocol page, sections 9 and 11.9)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import orjson

from voicepipe.local.brain import Message, ToolResult, ToolUse, Turn
from voicepipe.local.openai_ga.events import Event, Refusal
from voicepipe.local.openai_ga.formats import BYTES_PER_MS


@dataclass(slots=True, eq=False)
class Item:
    """One item.

    Parameters:
        wire: The item as the wire carries it, without sound.
        text: Its words; of a cut answer only those that were heard.
        cut: Whether a barge-in cut it.
        sound: Its sound in the format `kind`.
        kind: The format of its sound.
        words: Of a spoken answer: each word with the time, in milliseconds of its sound, at which it ends.
    """

    wire: dict[str, Any]
    text: str = ""
    cut: bool = False
    sound: bytes = b""
    kind: str = "audio/pcm"
    words: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.wire["id"])

    @property
    def sound_ms(self) -> float:
        """How much sound it has."""
        return len(self.sound) / BYTES_PER_MS[self.kind]

    @property
    def is_answer(self) -> bool:
        """Whether the model said it."""
        return self.wire.get("role") == "assistant"

    @property
    def images(self) -> int:
        """How many images it shows."""
        return sum(part["type"] == "input_image" for part in self.wire.get("content", ()))

    def shown(self, *, with_sound: bool = False) -> Event:
        """Return a copy for the wire; sound is only in what `conversation.item.retrieve` gives."""
        shown = dict(self.wire)
        if "content" in shown:
            shown["content"] = [dict(part) for part in shown["content"]]
        if with_sound:
            for part in shown.get("content", ()):
                if part["type"] in ("input_audio", "output_audio"):
                    part["audio"] = b64encode(self.sound).decode()
        return shown

    def cut_at(self, audio_end_ms: int) -> None:
        """Keep what was heard: so much sound, and the words that had been spoken by then."""
        self.cut = True
        self.sound = self.sound[: audio_end_ms * BYTES_PER_MS[self.kind]]
        self.words = [(end_ms, word) for end_ms, word in self.words if end_ms <= audio_end_ms]
        self.text = "".join(word for _, word in self.words).strip()
        for part in self.wire["content"]:
            part.pop("transcript", None)


class Items:
    """The items of one conversation, in order."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    @property
    def last_id(self) -> str | None:
        """The id of the newest item."""
        return self._items[-1].id if self._items else None

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def find(self, item_id: str) -> Item | None:
        """Return the item with an id, if there is one."""
        return next((item for item in self._items if item.id == item_id), None)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Add an item; returns the id of the one before it.

        Args:
            item: The item.
            after: The id it is to stand behind, "root" for the front, None for the end.

        Raises:
            Refusal: Its id is taken, there is no item to stand behind, or it answers a call that was never made.
        """
        if self.find(item.id) is not None:
            message = f"Error adding item: the item with id '{item.id}' already exists."
            raise Refusal("item_create_duplicate_item_id", message, "item.id")
        self._refuse_unknown_call(item)
        index = len(self._items)
        if after == "root":
            index = 0
        elif after is not None:
            before = self.find(after)
            if before is None:
                message = f"Previous item with id '{after}' not found."
                raise Refusal("item_create_invalid_previous_item_id", message, "previous_item_id")
            index = self._items.index(before) + 1
        self._items.insert(index, item)
        return self._items[index - 1].id if index else None

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            Refusal: There is none with this id.
        """
        self._items.remove(self._known(item_id, "item_delete_invalid_item_id", "deleting"))

    def retrieve(self, item_id: str, param: str = "item_id") -> Item:
        """Return an item.

        Args:
            item_id: Its id.
            param: The field of the client's event that names it.

        Raises:
            Refusal: There is none with this id.
        """
        return self._known(item_id, "item_retrieve_invalid_item_id", "retrieving", param)

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut an answer to what was heard of it.

        Raises:
            Refusal: There is no such item, it is no spoken answer, or it has less sound than that.
        """
        item = self._known(item_id, "item_truncate_invalid_item_id", "truncating")
        if not item.is_answer or not item.sound:
            message = "Only model output audio messages can be truncated"
            raise Refusal("unsupported_content_type", message, "item_id")
        if audio_end_ms > item.sound_ms:
            message = f"Audio content of {int(item.sound_ms)}ms is already shorter than {audio_end_ms}ms"
            raise Refusal("invalid_value", message, "audio_end_ms")
        item.cut_at(audio_end_ms)

    def _known(self, item_id: str, code: str, doing: str, param: str = "item_id") -> Item:
        item = self.find(item_id)
        if item is None:
            message = f"Error {doing} item: the item with id '{item_id}' does not exist."
            raise Refusal(code, message, param)
        return item

    def _refuse_unknown_call(self, item: Item) -> None:
        if item.wire["type"] != "function_call_output":
            return
        call_id = item.wire["call_id"]
        calls = (other.wire.get("call_id") for other in self._items if other.wire["type"] == "function_call")
        if call_id not in calls:
            message = f"Tool call ID '{call_id}' not found in conversation."
            raise Refusal("invalid_tool_call_id", message, "item.call_id")


def turns_of(items: Sequence[Item]) -> list[Turn]:
    """Return what a brain is told of some items."""
    turns: list[Turn] = []
    for item in items:
        wire = item.wire
        if wire["type"] == "message":
            role = cast("Literal['system', 'user', 'assistant']", wire["role"])
            turns.append(Message(role, item.text.strip(), item.cut, item.images))
        elif wire["type"] == "function_call":
            turns.append(ToolUse(wire["call_id"], wire["name"], _mapping(wire["arguments"])))
        elif wire["type"] == "function_call_output":
            turns.append(ToolResult(wire["call_id"], wire["output"]))
    return turns


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        value: Any = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
