"""Client events of the GA wire as JSON texts, and settings in the wire's shape (protocol page, sections 3 and 10.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson

from voicepipe.errors import SettingsError
from voicepipe.quick_base64 import encoded
from voicepipe.realtime.events import Send
from voicepipe.realtime.session import Detail, Role
from voicepipe.realtime.settings import plain
from voicepipe.services.openai.realtime.events import SessionProperties

MERGED_BY_SERVER = frozenset({"audio", "input", "output"})
"""The parts of a session whose fields the server merges one by one; anything else replaces what was there."""

_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'


def append_audio(sound: bytes) -> Send:
    """Return the event that appends `sound`, which is in the session's input format."""
    return Send(b"".join((_APPEND_HEAD, encoded(sound), _APPEND_TAIL)), droppable=True)


def event(type_: str, **fields: Any) -> Send:
    """Return a client event."""
    return Send(_as_json({"type": type_, **fields}))


def refuse_what_is_no_json(fields: Mapping[str, Any]) -> None:
    """Check that fields can be told, before anything counts as said.

    Raises:
        SettingsError: One holds something that JSON has no form for; the error names the field.
    """
    for name, value in fields.items():
        try:
            _as_json(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(name, f"cannot be told as JSON: {error}") from None


def _as_json(value: Any) -> bytes:
    """Return a value as JSON; half a character, as is left of a text that was cut by its UTF-16, becomes `?`.

    Raises:
        TypeError: JSON has no form for something in it.
        ValueError: It holds itself.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # It takes numbers of any size and keys that are numbers, and takes longer.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def session_update(session: Mapping[str, Any], event_id: str) -> Send:
    """Return a `session.update`; its `type` is required in each, also in a partial one."""
    return event("session.update", event_id=event_id, session={"type": "realtime", **session})


def create_item(item_id: str, item: Mapping[str, Any], after: str | None = None) -> Send:
    """Return the event that adds an item, at the end of the conversation or behind another one."""
    place = {} if after is None else {"previous_item_id": after}
    fields = {"event_id": f"evt_{item_id}", "item": {"id": item_id, **item}, **place}
    return event("conversation.item.create", **fields)


def delete_item(item_id: str) -> Send:
    """Return the event that deletes an item."""
    return event("conversation.item.delete", event_id=f"evt_del_{item_id}", item_id=item_id)


def truncate_item(item_id: str, content_index: int, audio_end_ms: int) -> Send:
    """Return the event that cuts an item of the model's where its sound was cut."""
    fields = {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}
    return event("conversation.item.truncate", event_id=f"evt_cut_{item_id}", **fields)


def message_item(role: Role, text: str) -> dict[str, Any]:
    """Return a message of text."""
    part = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


def image_item(data_uri: str, detail: Detail, text: str) -> dict[str, Any]:
    """Return an image of the user's, with words if there are any (protocol page, 11.13)."""
    content: list[dict[str, Any]] = [{"type": "input_image", "image_url": data_uri, "detail": detail}]
    if text:
        content.insert(0, {"type": "input_text", "text": text})
    return {"type": "message", "role": "user", "content": content}


def tool_call_item(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a function call, as a conversation that goes on elsewhere needs it."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def tool_result_item(call_id: str, output: str) -> dict[str, Any]:
    """Return the answer to a function call."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def session_in_wire_shape(properties: SessionProperties) -> dict[str, Any]:
    """Return settings as the wire takes them.

    What was never given is left out, as is a None that only means "not given"; a None that was given for something the
    API can clear goes out as null, and so does `turn_detection=False`.
    """
    wire = _without_none(plain(properties))
    modalities = wire.get("output_modalities")
    if modalities and len(modalities) > 1:
        wire["output_modalities"] = ["audio"]
    return wire


def without_what_cannot_be_unsaid(changes: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return changes without each None for something that a server which was told once cannot be made to forget.

    The server keeps what it has there, and so do we.
    """
    left: dict[str, Any] = {}
    for name, value in changes.items():
        path = f"{above}{name}"
        if value is None and path not in _CAN_BE_CLEARED:
            continue
        if name in MERGED_BY_SERVER and isinstance(value, Mapping):
            left[name] = without_what_cannot_be_unsaid(cast("Mapping[str, Any]", value), f"{path}.")
        else:
            left[name] = value
    return left


_CAN_BE_CLEARED = frozenset(
    {"audio.input.transcription", "audio.input.noise_reduction", "tracing", "prompt", "include"}
)
_AS_GIVEN = frozenset({"tracing", "prompt"})


def _without_none(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    wire: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above}{name}"
        if value is None:
            if path in _CAN_BE_CLEARED:
                wire[name] = None
        elif name == "turn_detection" and value is False:
            wire[name] = None
        elif isinstance(value, Mapping) and path not in _AS_GIVEN:
            wire[name] = _without_none(cast("Mapping[str, Any]", value), f"{path}.")
        else:
            wire[name] = value
    return wire
