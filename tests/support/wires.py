"""Which of OpenAI's wires a test's lines and servers speak; the fixture `both_wires` runs a test over each.

Lines and what was sent are written in GA words in the tests. For the beta wire, lines get the old names, and what was
sent is read with the local server's tables, which are not those of the client under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from voicepipe.local.openai_beta.translation import ga_event
from voicepipe.realtime.settings import plain
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.services.openai.realtime.dialect import GA, Dialect
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.services.openai_realtime_beta import SessionProperties as BetaProperties
from voicepipe.services.openai_realtime_beta.dialect import BETA
from voicepipe.services.openai_realtime_beta.translation import settings_in_beta_words

Wire: TypeAlias = Literal["ga", "beta"]

_NAMES = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "response.output_item.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
}

_wire: list[Wire] = ["ga"]


@contextmanager
def speaking(wire: Wire) -> Iterator[None]:
    """Have lines and servers speak a wire."""
    before, _wire[0] = _wire[0], wire
    yield
    _wire[0] = before


def wire() -> Wire:
    return _wire[0]


def dialect() -> Dialect:
    return GA if wire() == "ga" else BETA


def named(type_: str) -> str:
    """Return the name that a server's event, given by its GA name, has on the wire."""
    return type_ if wire() == "ga" else _NAMES.get(type_, type_)


def spelled(event: dict[str, Any]) -> dict[str, Any]:
    """Return a server's event, given in GA words, in those of the wire."""
    if wire() == "beta" and event["type"] == "conversation.item.done":
        # The beta tells the end of an item as part of its response alone.
        event = {"response_id": "resp_1", **event}
    return {**event, "type": named(event["type"])}


def read(event: dict[str, Any]) -> dict[str, Any]:
    """Return a client's event of the wire in GA words."""
    return event if wire() == "ga" else ga_event(event)


def settings_in_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings, given in GA words, in those of the wire's service."""
    return settings if wire() == "ga" else settings_in_beta_words(settings)


def service(session_properties: SessionProperties | None = None, **options: Any) -> Any:
    """Return the service for the wire; settings are in GA words."""
    if wire() == "ga":
        return OpenAIRealtimeLLMService(session_properties=session_properties, **options)
    words = settings_in_beta_words(plain(session_properties or SessionProperties()))
    if session_properties and session_properties.tools:
        # Those that bring their handler still know it.
        words["tools"] = session_properties.tools
    properties = BetaProperties.model_validate(words)
    return OpenAIRealtimeBetaLLMService(session_properties=properties, wire="beta", **options)
