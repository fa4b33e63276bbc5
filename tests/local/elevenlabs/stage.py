"""A conversation without a loop: a test sends messages, grants wishes and says what time it is."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from tests.support.tones import spoken
from voicepipe.local.brain import Call
from voicepipe.local.elevenlabs import Agent
from voicepipe.local.elevenlabs.reply import Reply
from voicepipe.local.elevenlabs.session import ConvAIServerSession
from voicepipe.local.elevenlabs.wishes import Answer, Close, Hear, Out, Speak
from voicepipe.local.speech.tones import ToneActivity, ToneEars

W = TypeVar("W", bound=Out)

LETTER_MS = 50
RATE = 16000
EARS = ToneEars()


def silent_voice(text: str) -> bytes:
    """Sound as long as `text` takes to say, s16le at `RATE`."""
    return bytes(2 * RATE // 1000 * LETTER_MS * len(text))


class Stage:
    """One session, all it gave, and the time in milliseconds."""

    def __init__(self, agent: Agent | None = None, **kwargs: Any) -> None:
        self.agent = agent or Agent("agent_1")
        self.session = ConvAIServerSession(self.agent, ToneActivity(), **kwargs)
        self.now = 0.0
        self.events: list[dict[str, Any]] = []
        self.wishes: list[Any] = []
        self._take(self.session.open(self.now))

    def _take(self, outputs: Iterable[Out]) -> list[dict[str, Any]]:
        new = list(outputs)
        events = [one for one in new if isinstance(one, dict)]
        self.events += events
        self.wishes += [one for one in new if not isinstance(one, dict)]
        return events

    def send(self, message: Any = None, **fields: Any) -> list[dict[str, Any]]:
        """Send a message; returns the events it gives."""
        given = fields if message is None else message
        if not isinstance(given, str | bytes):
            given = json.dumps(given)
        return self._take(self.session.receive(given, self.now))

    def begin(self, **fields: Any) -> list[dict[str, Any]]:
        """Send the first message."""
        return self.send(type="conversation_initiation_client_data", **fields)

    def pass_ms(self, ms: float) -> list[dict[str, Any]]:
        """Let time pass, with every alarm at its time."""
        until, events = self.now + ms, []
        while (due := self.session.wakes_at_ms) is not None and due <= until:
            self.now = due
            events += self._take(self.session.wake(due))
        self.now = until
        return events

    def hear(self, pcm: bytes, chunk_ms: int = 100) -> list[dict[str, Any]]:
        """Send sound at its own speed, s16le at 16 kHz; what is to be heard is heard at once."""
        events: list[dict[str, Any]] = []
        size = 2 * RATE // 1000 * chunk_ms
        for start in range(0, len(pcm), size):
            chunk = pcm[start : start + size]
            events += self.send(user_audio_chunk=base64.b64encode(chunk).decode())
            events += self.listen()
            events += self.pass_ms(len(chunk) * 1000 / 2 / RATE)
        return events

    def listen(self) -> list[dict[str, Any]]:
        """Grant what is to be heard."""
        events: list[dict[str, Any]] = []
        while hear := self.pop(Hear):
            events += self._take(self.session.heard(hear.key, EARS.listen(hear.pcm, 24000), self.now))
        return events

    def user_says(self, text: str, silence_ms: int = 500) -> list[dict[str, Any]]:
        return self.hear(spoken(text, RATE).pcm + bytes(32 * silence_ms))

    def pop(self, type_: type[W]) -> W | None:
        """Take the oldest wish of a type."""
        for wish in self.wishes:
            if isinstance(wish, type_):
                self.wishes.remove(wish)
                return wish
        return None

    def answers(self) -> Answer:
        """Take the reply that is wished for."""
        wish = self.pop(Answer)
        assert wish is not None, "no reply is wanted"
        return wish

    def reply(self, *parts: str | Call, piece_ms: int = 200, pieces: int | None = None) -> list[Any]:
        """Grant the reply that is wished for: all of it, or its first pieces, at once."""
        wish = self.answers()
        return self.make(wish.reply, *parts, piece_ms=piece_ms, pieces=pieces)

    def first_message(self, **kwargs: Any) -> list[Any]:
        wish = self.pop(Speak)
        assert wish is not None, "there is nothing to speak"
        return self.make(wish.reply, " ".join(wish.sentences), **kwargs)

    def make(
        self, reply: Reply, *parts: str | Call, piece_ms: int = 200, pieces: int | None = None
    ) -> list[Any]:
        events: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, Call):
                events += self._take(self.session.call(reply, part, self.now))
                continue
            events += self._take(self.session.think(reply, part, is_first=True))
            events += self._take(self.session.say(reply, part, self.now))
            self.session.voice(reply, part, silent_voice(part), RATE, is_last=True)
            while reply.has_more and pieces != 0:
                events += self._take(self.session.advance(reply, piece_ms, self.now))
                pieces = None if pieces is None else pieces - 1
        if pieces is None:
            events += self._take(self.session.finish(reply, self.now))
        return events

    def run(self, call_id: str, result: str, *, is_error: bool = False) -> list[dict[str, Any]]:
        """Report the result of a tool of the server."""
        return self._take(self.session.ran(call_id, result, is_error=is_error))

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The payloads of all events of a type."""
        return [payload(event) for event in self.events if event["type"] == type_]

    @property
    def closed(self) -> tuple[int, str] | None:
        """How the server closed."""
        return next(((one.code, one.reason) for one in self.wishes if isinstance(one, Close)), None)


def payload(event: dict[str, Any]) -> dict[str, Any]:
    """What stands under the one key of an event besides its type."""
    [value] = [value for key, value in event.items() if key != "type"]
    return value


def types(events: Iterable[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]
