"""The local server's GA session without a server: a test sends events, grants wishes, and looks at what comes out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from itertools import count
from typing import Any

import orjson

from tests.support.tones import spoken
from voicepipe.local.brain import Call
from voicepipe.local.openai_ga.events import Event
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.openai_ga.wishes import Answer, Hear, Out, StopAnswer
from voicepipe.local.speech.tones import ToneActivity, ToneEars

FORMAT_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}
DELTA_MS = 200


class GASession:
    """A session whose wishes wait until they are granted.

    Every method that lets something happen returns the events that came of it, in order.
    """

    def __init__(self, model: str = "gpt-realtime", *, late_deltas: int = 0) -> None:
        self.session = GAServerSession(model, ToneActivity(), expires_at=3600, late_deltas=late_deltas)
        self.now_ms = 0.0
        self.events: list[Event] = []
        self.hears: list[Hear] = []
        self.answers: list[Answer] = []
        self.stopped: list[str] = []
        self._numbers = count(1)
        self.created = self._taken(self.session.open())[0]

    def send(self, type_: Any, **fields: Any) -> list[Event]:
        return self.receive(orjson.dumps({"type": type_, **fields}).decode())

    def receive(self, message: str | bytes) -> list[Event]:
        return self._taken(self.session.receive(message, self.now_ms))

    def update(self, **changes: Any) -> Event:
        """Change settings; returns the one event that this gives."""
        return one(self.send("session.update", session={"type": "realtime", **changes}))

    def update_input(self, **changes: Any) -> Event:
        return self.update(audio={"input": changes})

    def update_output(self, **changes: Any) -> Event:
        return self.update(audio={"output": changes})

    def detect(self, type_: str = "server_vad", **changes: Any) -> Event:
        return self.update_input(turn_detection={"type": type_, **changes})

    # The user's sound.

    def append(self, pcm: bytes, chunk_bytes: int = 960) -> list[Event]:
        """Send sound, 20 ms at a time."""
        chunks = (pcm[start : start + chunk_bytes] for start in range(0, len(pcm), chunk_bytes))
        return [
            event
            for chunk in chunks
            for event in self.send("input_audio_buffer.append", audio=b64encode(chunk).decode())
        ]

    def speak(self, text: str) -> list[Event]:
        """Send `text` as sound, with no silence after it."""
        return self.append(spoken(text).pcm)

    def silence(self, ms: int = 300) -> list[Event]:
        return self.append(bytes(48 * ms))

    def say(self, text: str, silence_ms: int = 300) -> list[Event]:
        """Say `text`, pause, and be understood."""
        return [*self.speak(text), *self.silence(silence_ms), *self.listen()]

    def listen(self) -> list[Event]:
        """Grant all wishes to hear, in their order."""
        events: list[Event] = []
        while self.hears:
            wish = self.hears.pop(0)
            events += self.heard(wish, ToneEars().listen(wish.pcm, 24000))
        return events

    def heard(self, wish: Hear, text: str | None) -> list[Event]:
        return self._taken(self.session.heard(wish.key, text, self.now_ms))

    # Items.

    def write(self, text: str, **fields: Any) -> list[Event]:
        """Put a user's text into the conversation."""
        return self.create("user", [{"type": "input_text", "text": text}], **fields)

    def create(self, role: str, content: list[dict[str, Any]], **fields: Any) -> list[Event]:
        item = {"type": "message", "role": role, "content": content, **fields}
        return self.send("conversation.item.create", item=item)

    def retrieve(self, item_id: str) -> Event:
        return one(self.send("conversation.item.retrieve", item_id=item_id))["item"]

    # Responses.

    def respond(self, **response: Any) -> list[Event]:
        return self.send("response.create", response=response)

    def begin(self, text: str, answer: Answer | None = None) -> Response:
        """Take the wish for an answer (the oldest) and hand over the first words; nothing goes out yet."""
        wish = answer or self.answers.pop(0)
        sound = spoken(text).pcm if text and wish.response.speaks else b""
        self.session.say(wish.response, text, sound)
        return wish.response

    def advance(self, response: Response, deltas: int = 1) -> list[Event]:
        events: list[Event] = []
        for _ in range(deltas):
            events += self._taken(self.session.advance(response, DELTA_MS, self.now_ms))
        return events

    def call(self, response: Response, name: str, **arguments: Any) -> list[Event]:
        return self._taken(self.session.call(response, Call(name, arguments)))

    def advance_all(self, response: Response) -> list[Event]:
        events: list[Event] = []
        while response.has_more:
            events += self.advance(response)
        return events

    def finish(self, response: Response) -> list[Event]:
        events = self.advance_all(response)
        return events if response.is_over else [*events, *self.end(response)]

    def end(self, response: Response) -> list[Event]:
        return self._taken(self.session.finish(response, self.now_ms))

    def fail(self, response: Response, message: str) -> list[Event]:
        return self._taken(self.session.fail(response, message, self.now_ms))

    def answer(self, text: str = "Yes.") -> list[Event]:
        """Grant the oldest wish for an answer, from its first delta to its end."""
        return self.finish(self.begin(text))

    def wake(self, now_ms: float) -> list[Event]:
        self.now_ms = now_ms
        return self._taken(self.session.wake(now_ms))

    def _taken(self, outputs: Iterable[Out]) -> list[Event]:
        events: list[Event] = []
        for output in outputs:
            if isinstance(output, Hear):
                self.hears.append(output)
            elif isinstance(output, Answer):
                self.answers.append(output)
            elif isinstance(output, StopAnswer):
                self.stopped.append(output.response_id)
                self.answers = [answer for answer in self.answers if answer.response.id != output.response_id]
            else:
                events.append(output)
        self.events += events
        return events


def one(events: list[Event]) -> Event:
    assert len(events) == 1, types(events)
    return events[0]


def types(events: Iterable[Event]) -> list[str]:
    """Return the types of events, with runs of deltas as one."""
    names: list[str] = []
    for event in events:
        is_repeated = event["type"].endswith(".delta") and event["type"] in names[-2:]
        if not is_repeated:
            names.append(event["type"])
    return names


def of(events: Iterable[Event], type_: str) -> list[Event]:
    return [event for event in events if event["type"] == type_]


def the(events: Iterable[Event], type_: str) -> Event:
    """Return the one event of a type."""
    return one(of(events, type_))


def refusal(events: Event | list[Event]) -> tuple[str, str | None]:
    """Return code and param of the one `error` event."""
    event = events if isinstance(events, dict) else one(events)
    assert event["type"] == "error", event["type"]
    assert event["error"]["type"] == "invalid_request_error"
    return event["error"]["code"], event["error"]["param"]
