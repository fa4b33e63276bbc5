"""What a carrier's side of its media-stream wire has to be able to say and understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import orjson


@dataclass(frozen=True, slots=True)
class Play:
    """The bot sends mu-law sound, 8 kHz, to be played after all that came before."""

    sound: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """The bot wants to know when all before this has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """The bot wants what was not played thrown away."""


@dataclass(frozen=True, slots=True)
class Press:
    """The bot presses keys."""

    keys: str


Wish: TypeAlias = Play | Mark | Clear | Press


class BadMessageError(Exception):
    """The bot sent something the carrier does not take; the text says what."""


class Dialect(Protocol):
    """One carrier's wire, for one stream. Plain text in and out; it keeps no time."""

    @property
    def name(self) -> str:
        """The carrier, in small letters."""
        ...

    @property
    def returns_cut_marks(self) -> bool:
        """Whether marks that a `clear` throws away come back."""
        ...

    @property
    def closes_on_bad_messages(self) -> bool:
        """Whether the stream ends at a message that the carrier does not take."""
        ...

    def opening(self, parameters: Mapping[str, str], *, both_tracks: bool) -> Sequence[str]:
        """Return what the carrier says first."""
        ...

    def media(self, sound: bytes, number: int, at_ms: float) -> str:
        """Return a message of the caller's sound, with its number from 1 on and its time in the stream."""
        ...

    def key(self, key: str, at_ms: float) -> str:
        """Return the message of a key that the caller pressed."""
        ...

    def played(self, name: str) -> str:
        """Return the message that answers a mark."""
        ...

    def cleared(self) -> Sequence[str]:
        """Return what the carrier says after a `clear`, besides marks."""
        ...

    def refused(self, problem: str) -> Sequence[str]:
        """Return what the carrier says of a message it does not take."""
        ...

    def stop(self) -> Sequence[str]:
        """Return what the carrier says last."""
        ...

    def read(self, message: str | bytes) -> Wish:
        """Return what the bot wants.

        Raises:
            BadMessageError: The carrier does not take it.
        """
        ...


def event_of(message: str | bytes) -> Mapping[str, Any]:
    """Return a bot's message as a mapping.

    Raises:
        BadMessageError: It is not one; carriers take text messages of JSON objects alone.
    """
    if isinstance(message, bytes):
        raise BadMessageError("a binary message")
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise BadMessageError("a message that is not JSON") from None
    if not isinstance(event, dict):
        raise BadMessageError("a message that is no JSON object")
    return cast("Mapping[str, Any]", event)


def field(event: Mapping[str, Any], *path: str) -> str:
    """Return the text at a path within a message.

    Raises:
        BadMessageError: There is none.
    """
    value: Any = event
    for name in path:
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise BadMessageError(f"{event.get('event')}: {'.'.join(path)} is missing or no text")
    return value
