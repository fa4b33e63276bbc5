"""Reading carriers' JSON: each look-up names the field it did not find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

from voicepipe.errors import CarrierMessageError
from voicepipe.quick_base64 import decoded_strictly
from voicepipe.transports.telephony.events import SoundArrived

Json = Mapping[str, Any]

LONGEST_COMPLAINT: Final = 300
"""Characters."""
_MOST_DIGITS: Final = 18
"""No number of a carrier has more; Python refuses to read thousands of them."""


def parsed(message: str | bytes) -> Json:
    """Return a message as a mapping.

    Raises:
        CarrierMessageError: It is no JSON object.
    """
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise CarrierMessageError("message", f"is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CarrierMessageError("message", f"is a JSON {type(value).__name__}, not an object")
    return cast("Json", value)


def part(event: Json, name: str) -> Json:
    """Return an object within a message.

    Raises:
        CarrierMessageError: There is none of that name.
    """
    value = event.get(name)
    if not isinstance(value, dict):
        raise CarrierMessageError(name, "is missing or no object")
    return cast("Json", value)


def text(event: Json, name: str) -> str:
    """Return a text that has to be there and not empty.

    Raises:
        CarrierMessageError: It is not.
    """
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise CarrierMessageError(name, "is missing or no text")
    return value


def text_or_empty(event: Json, name: str) -> str:
    """Return a text, or an empty one if there is none."""
    value = event.get(name)
    return value if isinstance(value, str) else ""


def number(event: Json, name: str) -> int | None:
    """Return a whole number, which some carriers write as text, or None if there is none."""
    value = event.get(name)
    if isinstance(value, str) and value.isdecimal():
        return int(value) if len(value) <= _MOST_DIGITS else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(event: Json, name: str) -> tuple[str, ...]:
    """Return the texts of a list, or none if there is no list."""
    value = event.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(item for item in cast("list[Any]", value) if isinstance(item, str))


def parameters(value: object) -> dict[str, str]:
    """Return what was handed on to the bot: a mapping, or a list of objects with `name` and `value`."""
    if isinstance(value, dict):
        return {str(name): str(item) for name, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        pairs = [cast("Json", item) for item in cast("list[Any]", value) if isinstance(item, dict)]
        return {str(pair["name"]): str(pair.get("value", "")) for pair in pairs if "name" in pair}
    return {}


def callers_sound(event: Json, *, numbered: bool = False) -> list[SoundArrived]:
    """Return the sound of a `media` message, which is written alike by all carriers.

    Args:
        event: The message.
        numbered: Whether anybody needs to know the number of the chunk.

    Raises:
        CarrierMessageError: There is none, or it is not base64.
    """
    media = part(event, "media")
    # A stream of both tracks would let the bot hear itself.
    if media.get("track", "inbound") != "inbound":
        return []
    payload = media.get("payload")
    if not payload or not isinstance(payload, str):
        payload = text(media, "payload")
    try:
        sound = decoded_strictly(payload)
    except ValueError as error:
        # Of `binascii.Error`, and of letters beyond ASCII.
        raise CarrierMessageError("media.payload", f"is not base64 ({error})") from None
    return [SoundArrived(sound, number(media, "chunk") if numbered else None)]
