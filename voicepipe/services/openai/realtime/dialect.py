"""What differs from one spelling of OpenAI's Realtime API to another: names of events, and a few shapes.

Inside, everything is in the words of the GA wire. A dialect says what the server's events are called there, and how
settings, messages and responses look on the wire. `GA` is the API as it is today; the beta's is in `openai_realtime_beta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from voicepipe.realtime.events import Send
from voicepipe.realtime.session import Role
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.results import mapping

Side: TypeAlias = Literal["input", "output"]

OLD_NAMES: Final[Mapping[str, str]] = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}
"""Server events that the beta called otherwise. Servers mix the spellings, so they are understood on every wire."""


class Dialect:
    """The GA wire, and what another one overrides.

    Attributes:
        server_names: Server events by the name they have on this wire, with their GA names.
        tells_finished_items: Whether the server has an event of its own for an item that is whole.
    """

    server_names: Mapping[str, str] = OLD_NAMES
    tells_finished_items: bool = True

    def session_update(self, session: Mapping[str, Any], event_id: str) -> Send:
        """Return the event that changes settings, which are given as the GA wire has them."""
        return wire.session_update(session, event_id)

    def message_item(self, role: Role, text: str) -> dict[str, Any]:
        """Return a message of text."""
        return wire.message_item(role, text)

    def response(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields of a response, which are given as the GA wire names them."""
        return fields

    def field(self, param: str) -> str:
        """Return the setting that a refusal is about, as a path of GA names with dots between them."""
        return param.removeprefix("session.")

    def audio_format(self, session: Mapping[str, Any], side: Side) -> str:
        """Return the `type` of the format that a session uses, as the server tells it; "" if it does not."""
        sound = mapping(mapping(session.get("audio")).get(side))
        return str(mapping(sound.get("format")).get("type") or "")


GA: Final = Dialect()
