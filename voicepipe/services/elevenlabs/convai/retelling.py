"""A conversation's history as a text for an agent that has not heard it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from voicepipe.realtime.history import Called, Entry, History, Said

_NEWEST: Final = 200
"""Entries that are told at most: ten minutes of call have far fewer."""
_LONGEST: Final = 40_000
"""Letters that are told at most; what is older than that is left out."""

GOES_ON: Final = (
    "The connection was interrupted for a moment. This is the same conversation, and it goes on from here: do not greet "
    "again, do not mention the interruption, and keep to the language that was spoken. What was said so far:"
)
GO_ON: Final = (
    "(The connection was interrupted while you spoke.) Go on from exactly where your last message stops, without "
    "repeating it."
)
_SPEAKERS: Final = {"user": "The user said", "assistant": "You said", "system": "You were told"}


def retold(history: History, *, goes_on: bool, without: Collection[str] = ()) -> str:
    """Return what a new conversation is told; "" if there is nothing to tell.

    Args:
        history: What was said.
        goes_on: Whether another conversation began it.
        without: Items that are said again in another way.
    """
    calls = {entry.call_id: entry.name for entry in history.entries() if isinstance(entry, Called)}
    entries = [
        one for one in history.entries(_NEWEST) if not (isinstance(one, Said) and one.item_id in without)
    ]
    if not goes_on:
        return "\n".join(_note(one) or _line(one, calls) for one in entries)
    lines: list[str] = []
    left = _LONGEST
    for entry in reversed(entries):
        line = _line(entry, calls)
        left -= len(line) + 1
        if left < 0:
            break
        lines.insert(0, line)
    return "\n".join([GOES_ON, *lines])


def _note(entry: Entry) -> str:
    return entry.text if isinstance(entry, Said) and entry.role == "system" else ""


def _line(entry: Entry, calls: dict[str, str]) -> str:
    if isinstance(entry, Said):
        return f"{_SPEAKERS[entry.role]}: {entry.text}"
    if isinstance(entry, Called):
        return f"You called {entry.name}({entry.arguments})"
    return f"{calls.get(entry.call_id, 'The function')} gave: {entry.output}"


def result_later(name: str, output: str) -> str:
    """Return what a function gave whose call was made in a conversation that is gone."""
    return f"{name or 'The function'}, which you called before, gave: {output}"
