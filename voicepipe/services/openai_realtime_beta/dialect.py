"""The spelling of the beta wire, for the session that all of OpenAI's wires share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from voicepipe.realtime.events import Send
from voicepipe.realtime.session import Role
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.dialect import OLD_NAMES, Dialect, Side
from voicepipe.services.openai.realtime.events import SessionProperties
from voicepipe.services.openai_realtime_beta.translation import (
    field_in_ga_words,
    format_type,
    item_in_beta_words,
    response_in_beta_words,
    settings_in_beta_words,
)


class SharedProperties(SessionProperties):
    """The settings in GA words, with what only the beta has.

    Attributes:
        temperature: As the beta has it; not for the GA wire.
    """

    temperature: float | None = Field(default=None, ge=0.0, le=2.0)


class BetaDialect(Dialect):
    """Flat settings, the old names of events, one event for each item."""

    server_names: Mapping[str, str] = {
        **OLD_NAMES,
        "conversation.item.created": "conversation.item.added",
    }
    tells_finished_items = False

    def session_update(self, session: Mapping[str, Any], event_id: str) -> Send:
        """Return the event that changes settings; a flat session has no `type`."""
        return wire.event("session.update", event_id=event_id, session=settings_in_beta_words(session))

    def message_item(self, role: Role, text: str) -> dict[str, Any]:
        """Return a message of text; what the model said is a part `text`."""
        return item_in_beta_words(wire.message_item(role, text))

    def response(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields of a response."""
        return response_in_beta_words(fields)

    def field(self, param: str) -> str:
        """Return the setting that a refusal is about, as a path of GA names."""
        return field_in_ga_words(param)

    def audio_format(self, session: Mapping[str, Any], side: Side) -> str:
        """Return the `type` of the format that a session uses."""
        return format_type(session.get(f"{side}_audio_format"))


BETA: Final = BetaDialect()
