"""A client's message as an event, of which only the type is known to be there; `shapes` looks at the rest."""

from __future__ import annotations

from typing import Any, Final, cast

import orjson

from voicepipe.local.openai_ga.events import Event, Refusal

_DEEPEST: Final = 100
"""What is nested deeper could not be copied or sent back."""


def read_event(message: str | bytes) -> Event:
    """Return the event in a message.

    Raises:
        Refusal: It is binary, no JSON, nested too deep, or has no type.
    """
    if isinstance(message, bytes):
        raise Refusal("invalid_event", "Binary messages are not supported; send JSON text.")
    try:
        event: Any = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refusal("invalid_json", f"The message is not valid JSON: {error}.") from None
    if not isinstance(event, dict) or not isinstance(cast("Event", event).get("type"), str):
        raise Refusal("invalid_event", "The message has no 'type'.", "type")
    if _is_too_deep(cast("Event", event)):
        raise Refusal("invalid_value", f"The message is nested deeper than {_DEEPEST} levels.")
    return cast("Event", event)


def _is_too_deep(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return False
    return True


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []
