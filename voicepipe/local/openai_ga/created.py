"""Items that a client creates: what the wire shows of them, their words and their sound (protocol page, section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicepipe.local.openai_ga.conversation import Item
from voicepipe.local.openai_ga.events import Ids
from voicepipe.local.openai_ga.formats import from_base64


def created_item(given: Mapping[str, Any], ids: Ids, kind: str, where: str = "item") -> Item:
    """Return the item that a client describes.

    Args:
        given: The fields it gave.
        ids: Gives ids where it gave none.
        kind: The format of the user's sound.
        where: The field of the client's event that describes it.

    Raises:
        Refusal: Its sound is not base64.
    """
    wire: dict[str, Any] = {
        "id": _id(given, ids),
        "object": "realtime.item",
        "type": given["type"],
        "status": given.get("status", "completed"),
    }
    if given["type"] == "message":
        return _message(wire, given, kind, where)
    if given["type"] == "function_call":
        call_id = given.get("call_id") or ids.new("call")
        return Item({**wire, "name": given["name"], "call_id": call_id, "arguments": given["arguments"]})
    return Item({**wire, "call_id": given["call_id"], "output": given["output"]})


def _id(given: Mapping[str, Any], ids: Ids) -> str:
    if "id" not in given:
        return ids.new("item")
    ids.avoid(given["id"])
    return given["id"]


def _message(wire: dict[str, Any], given: Mapping[str, Any], kind: str, where: str) -> Item:
    shown: list[dict[str, Any]] = []
    words: list[str] = []
    sound = b""
    for index, part in enumerate(given["content"]):
        if part["type"] == "input_audio":
            transcript = part.get("transcript")
            if "audio" in part:
                sound += from_base64(part["audio"], f"{where}.content[{index}].audio")
            else:
                words.append(transcript or "")
            shown.append({"type": "input_audio", "transcript": transcript})
        else:
            words.append(part.get("text", ""))
            shown.append(dict(part))
    text = " ".join(word for word in words if word)
    return Item({**wire, "role": given["role"], "content": shown}, text, sound=sound, kind=kind)
