"""Responses outside of the conversation: any number at once, recognised by their metadata (protocol page, 11.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from voicepipe.realtime.events import Output, Send, SideResponse
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.results import end_of, mapping, mappings

_TOKEN: Final = "voicepipe"


class Sides:
    """The responses that were asked for and have not ended."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def ask(self, token: str, fields: Mapping[str, Any]) -> Send:
        """Return the event that asks for one.

        Args:
            token: By which its end will be told.
            fields: Of the response, as the wire names them.

        Raises:
            SettingsError: One of them cannot be told.
        """
        wire.refuse_what_is_no_json(fields)
        self._asked.add(token)
        metadata = {**fields.get("metadata", {}), _TOKEN: token}
        response = {**fields, "conversation": "none", "metadata": metadata}
        return wire.event("response.create", event_id=token, response=response)

    def finished(self, response: Mapping[str, Any]) -> list[Output]:
        """Return the result of a response of which the server tells the end; nothing if nobody asked for it."""
        metadata = dict(mapping(response.get("metadata")))
        token = str(metadata.pop(_TOKEN, ""))
        if token not in self._asked:
            return []
        self._asked.discard(token)
        output, end = mappings(response.get("output")), end_of(response)
        problem = end.failure.message if end.failure else ""
        return [SideResponse(token, end.status, _text(output), output, end.usage, problem, metadata)]

    def refused(self, event_id: str, why: str) -> list[Output]:
        """Return the end of a response that the server refused; nothing if the refusal was about something else."""
        if event_id not in self._asked:
            return []
        self._asked.discard(event_id)
        return [SideResponse(event_id, "failed", problem=why)]

    def lost(self) -> list[Output]:
        """Return the ends of all that ran when the connection was lost."""
        asked, self._asked = sorted(self._asked), set[str]()
        return [SideResponse(token, "failed", problem="the connection was lost") for token in asked]


def _text(output: tuple[Mapping[str, Any], ...]) -> str:
    """Return the words of all messages; written parts have `text`, spoken ones a `transcript`."""
    parts = [part for item in output for part in mappings(item.get("content"))]
    words = (part.get("text") or part.get("transcript") for part in parts)
    return " ".join(str(text) for text in words if text)
