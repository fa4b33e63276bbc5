"""The conversation's items: what the wire shows of them, and what a brain is told (protocol page, sections 9 and 11.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import orjson

from voicepipe.local.brain import Message, ToolResult, ToolUse, Turn
from voicepipe.local.openai_ga.events import Refusal


@dataclass(slots=True)
class Item:
    """One item.

    Parameters:
        wire: The item as the wire carries it, without sound.
        text: Its words; of a cut answer only those that were heard.
        cut: Whether a barge-in cut it.
        words: Of a spoken answer: each word with the time, in milliseconds of its sound, at which it ends.
        sound_ms: How much sound it has.
        is_image: Whether it shows an image.
    """

    wire: dict[str, Any]
    text: str = ""
    cut: bool = False
    words: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    sound_ms: float = 0.0

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.wire["id"])

    @property
    def is_spoken_answer(self) -> bool:
        """Whether it is an answer with sound, which alone can be truncated."""
        return self.wire.get("role") == "assistant" and self.sound_ms > 0


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
            Refusal: Its id is taken, or there is no item to stand behind.
        """
        if self.find(item.id) is not None:
            message = f"Error adding item: the item with id '{item.id}' already exists."
            raise Refusal("item_create_duplicate_item_id", message, "item.id")
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

    def retrieve(self, item_id: str) -> Item:
        """Return an item.

        Raises:
            Refusal: There is none with this id.
        """
        return self._known(item_id, "item_retrieve_invalid_item_id", "retrieving")

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut an answer to what was heard of it.

        Raises:
            Refusal: There is no such item, it is no spoken answer, or it has less sound than that.
        """
        item = self._known(item_id, "item_truncate_invalid_item_id", "truncating")
        if not item.is_spoken_answer:
            message = "Only model output audio messages can be truncated"
            raise Refusal("unsupported_content_type", message, "item_id")
        if audio_end_ms > item.sound_ms:
            message = f"Audio content of {round(item.sound_ms)}ms is already shorter than {audio_end_ms}ms"
            raise Refusal("invalid_value", message, "audio_end_ms")
        item.cut = True
        item.sound_ms = audio_end_ms
        item.words = [(end_ms, word) for end_ms, word in item.words if end_ms <= audio_end_ms]
        item.text = "".join(word for _, word in item.words).strip()
        for part in item.wire["content"]:
            part.pop("transcript", None)

    def _known(self, item_id: str, code: str, doing: str) -> Item:
        item = self.find(item_id)
        if item is None:
            message = f"Error {doing} item: the item with id '{item_id}' does not exist."
            raise Refusal(code, message, "item_id")
        return item


def item_from_wire(wire: Any, new_id: str) -> Item:
    """Return the item of a `conversation.item.create`.

    Raises:
        Refusal: It is of no type a client can create, or lacks what its type needs.
    """
    if not isinstance(wire, Mapping):
        raise Refusal("missing_required_parameter", "Missing required parameter: 'item'.", "item")
    fields: dict[str, Any] = {"id": new_id, **cast("Mapping[str, Any]", wire)}
    fields["object"], fields["status"] = "realtime.item", "completed"
    kind = fields.get("type")
    if kind == "message":
        return Item(fields, _message_text(fields))
    if kind == "function_call_output":
        _require(fields, "call_id", "output")
        return Item(fields, str(fields["output"]))
    if kind == "function_call":
        _require(fields, "name", "arguments")
        return Item(fields)
    raise Refusal("invalid_value", f"Invalid value: '{kind}'.", "item.type")


def _require(fields: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(fields.get(name), str):
            message = f"Missing required parameter: 'item.{name}'."
            raise Refusal("missing_required_parameter", message, f"item.{name}")


_PARTS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"input_text"}),
    "user": frozenset({"input_text", "input_audio", "input_image"}),
    "assistant": frozenset({"output_text"}),
}


def _message_text(fields: Mapping[str, Any]) -> str:
    role, content = str(fields.get("role")), fields.get("content")
    if role not in _PARTS:
        raise Refusal("invalid_value", f"Invalid value: '{role}'.", "item.role")
    if not isinstance(content, list):
        raise Refusal(
            "missing_required_parameter", "Missing required parameter: 'item.content'.", "item.content"
        )
    texts: list[str] = []
    for index, part in enumerate(cast("list[Any]", content)):
        kind = cast("Mapping[str, Any]", part).get("type") if isinstance(part, Mapping) else None
        if kind not in _PARTS[role]:
            raise Refusal("invalid_value", f"Invalid value: '{kind}'.", f"item.content[{index}].type")
        part = cast("Mapping[str, Any]", part)
        texts.append(
            "[an image]" if kind == "input_image" else str(part.get("text") or part.get("transcript") or "")
        )
    return " ".join(text for text in texts if text)


def turns_of(items: Sequence[Item]) -> list[Turn]:
    """Return what a brain is told of some items."""
    turns: list[Turn] = []
    for item in items:
        wire = item.wire
        if wire["type"] == "message":
            role = cast("Literal['system', 'user', 'assistant']", wire["role"])
            turns.append(Message(role, item.text, item.cut))
        elif wire["type"] == "function_call":
            turns.append(ToolUse(wire.get("call_id", ""), wire["name"], _mapping(wire["arguments"])))
        elif wire["type"] == "function_call_output":
            turns.append(ToolResult(wire["call_id"], wire["output"]))
    return turns


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        value: Any = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
