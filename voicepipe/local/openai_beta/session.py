"""The server's side of one session of the beta wire, without I/O: a GA session, spoken to in the beta's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from voicepipe.local.brain import Call
from voicepipe.local.openai_beta.shapes import SessionUpdate, client_event
from voicepipe.local.openai_beta.translation import beta_events, ga_event
from voicepipe.local.openai_ga.events import Event, Events, Ids, Refusal
from voicepipe.local.openai_ga.messages import read_event
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.openai_ga.wishes import Out

_DEFAULTS: Final = {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
"""Where the beta's defaults are other ones."""


class BetaServerSession:
    """One session.

    Args:
        session: The GA session behind it, which nobody has used.
        ids: That session's.
    """

    def __init__(self, session: GAServerSession, ids: Ids) -> None:
        self._session = session
        self._events = Events(ids)
        self._temperature = 0.8
        session.receive(orjson.dumps({"type": "session.update", "session": _DEFAULTS}).decode())

    @property
    def wakes_at_ms(self) -> float | None:
        """When `wake` wants to be called; it may change with every call."""
        return self._session.wakes_at_ms

    def open(self, _now_ms: float = 0.0) -> list[Out]:
        """Return the first events."""
        conversation = {"id": self._session.conversation_id, "object": "realtime.conversation"}
        told = self._events.make("conversation.created", conversation=conversation)
        return [*self._told(self._session.open()), told]

    def receive(self, message: str | bytes, now_ms: float = 0.0) -> list[Out]:
        """Take a client event. What the API refuses gives an `error` event, and the session goes on.

        Args:
            message: What came over the wire.
            now_ms: The time.
        """
        event_id: str | None = None
        try:
            event = read_event(message)
            given_id = event.get("event_id")
            event_id = given_id if isinstance(given_id, str) else None
            parsed = client_event(event)
        except Refusal as refusal:
            return [self._events.refusal(refusal, event_id)]
        outputs = self._session.receive(orjson.dumps(ga_event(event)).decode(), now_ms)
        if isinstance(parsed, SessionUpdate) and _is_update(outputs):
            self._temperature = parsed.session.given().get("temperature", self._temperature)
        return self._told(outputs)

    def error(self, code: str | None, message: str) -> Event:
        """Return an `error` event that no client event is the cause of."""
        return self._session.error(code, message)

    def heard(self, key: str, text: str | None, now_ms: float = 0.0) -> list[Out]:
        """Take the words found in an utterance."""
        return self._told(self._session.heard(key, text, now_ms))

    def say(self, response: Response, text: str, pcm: bytes) -> None:
        """Take words of an answer, with their sound at 24 kHz; `advance` lets them out."""
        self._session.say(response, text, pcm)

    def advance(self, response: Response, delta_ms: int, now_ms: float = 0.0) -> list[Out]:
        """Return the events of an answer's next `delta_ms` of sound."""
        return self._told(self._session.advance(response, delta_ms, now_ms))

    def call(self, response: Response, call: Call) -> list[Out]:
        """Call a function as part of an answer."""
        return self._told(self._session.call(response, call))

    def finish(self, response: Response, now_ms: float = 0.0) -> list[Out]:
        """End an answer that is complete."""
        return self._told(self._session.finish(response, now_ms))

    def fail(self, response: Response, message: str, now_ms: float = 0.0) -> list[Out]:
        """End an answer that could not be made."""
        return self._told(self._session.fail(response, message, now_ms))

    def wake(self, now_ms: float) -> list[Out]:
        """Take that it is `now_ms`."""
        return self._told(self._session.wake(now_ms))

    def _told(self, outputs: Iterable[Out]) -> list[Out]:
        told: list[Out] = []
        for output in outputs:
            told += beta_events(output, self._temperature) if isinstance(output, dict) else [output]
        return told


def _is_update(outputs: list[Out]) -> bool:
    types = [output["type"] for output in outputs if isinstance(output, dict)]
    return types == ["session.updated"]
