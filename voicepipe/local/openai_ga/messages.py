"""A client's message as one of the events in `shapes`, or the refusal that the API would answer it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar, cast

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from voicepipe.local.openai_ga.events import Event, Refusal
from voicepipe.local.openai_ga.shapes import ClientEvent

T = TypeVar("T")

_CLIENT_EVENT: Final[TypeAdapter[ClientEvent]] = TypeAdapter(
    Annotated[ClientEvent, Field(discriminator="type")]
)

_DEEPEST: Final = 100
"""What is nested deeper could not be copied or sent back."""


def read_event(message: str | bytes) -> Event:
    """Return the JSON object in a message.

    Raises:
        Refusal: The message is binary, or there is none in it.
    """
    if isinstance(message, bytes):
        raise Refusal("invalid_event", "Binary messages are not supported; send JSON text.")
    try:
        event: Any = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refusal("invalid_json", f"The message is not valid JSON: {error}.") from None
    if not isinstance(event, dict):
        raise _without_type()
    return cast("Event", event)


def client_event(message: Event) -> ClientEvent:
    """Take a client's message apart.

    Raises:
        Refusal: It is none of the wire's events.
    """
    return taken_apart(_CLIENT_EVENT, message)


def taken_apart(shapes: TypeAdapter[T], message: Event) -> T:
    """Take a client's message apart by the shapes of a wire.

    Raises:
        Refusal: It has no type or is nested too deep, there is no such event, or a field of it is unknown, missing or has a
            value that is not allowed.
    """
    if not isinstance(message.get("type"), str):
        raise _without_type()
    if _is_too_deep(message):
        raise Refusal("invalid_value", f"The message is nested deeper than {_DEEPEST} levels.")
    try:
        return shapes.validate_python(message)
    except ValidationError as error:
        problems = [(_path(details, message), details) for details in error.errors(include_url=False)]
        # Of the branches of a union, the one that got farthest is the one that was meant.
        path, details = max(problems, key=lambda problem: len(problem[0]))
        raise _refusal(path, details) from None


def _without_type() -> Refusal:
    return Refusal("invalid_event", "The message has no 'type'.", "type")


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


def _path(details: ErrorDetails, message: Any) -> list[str | int]:
    """Return where in the message the problem is; pydantic also names the branches of unions that it took."""
    path: list[str | int] = []
    value = message
    parts = details["loc"]
    for index, part in enumerate(parts):
        if isinstance(part, int) and isinstance(value, Sequence):
            path.append(part)
            value = cast("Sequence[Any]", value)[part]
        elif isinstance(value, Mapping) and part in value:
            path.append(part)
            value = cast("Mapping[Any, Any]", value)[part]
        elif details["type"] == "missing" and index == len(parts) - 1:
            path.append(part)
    if details["type"].startswith("union_tag"):
        path.append(str(details.get("ctx", {}).get("discriminator", "type")).strip("'"))
    return path


def _refusal(path: Sequence[str | int], details: ErrorDetails) -> Refusal:
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param)
    if kind in ("missing", "union_tag_not_found"):
        return Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    if kind == "string_too_long":
        message = f"Invalid '{param}': string too long. The maximum length is {context.get('max_length')}."
        return Refusal("string_above_max_length", message, param)
    if kind in ("literal_error", "union_tag_invalid"):
        given = context.get("tag", details["input"])
        expected = context.get("expected", context.get("expected_tags"))
        if isinstance(given, str | int | float):
            return Refusal(
                "invalid_value", f"Invalid value: '{given}'. Supported values are: {expected}.", param
            )
    if kind.endswith("_type") or kind == "literal_error":
        return Refusal("invalid_type", f"Invalid type for '{param}': {details['msg']}.", param)
    return Refusal("invalid_value", f"Invalid value for '{param}': {details['msg']}.", param)
