"""The server's side of one session, without I/O: client events in; server events and wishes out.

A wish is what the session cannot do itself: have an utterance heard, have an answer made. Whoever drives it (the
server, a test) grants wishes in its own time and reports back. It reads no clock: times are passed in, in milliseconds
from any beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from voicepipe.local.brain import Call
from voicepipe.local.openai_ga.conversation import Item, Items
from voicepipe.local.openai_ga.created import created_item
from voicepipe.local.openai_ga.events import Event, Events, Ids, Refusal
from voicepipe.local.openai_ga.finished import sounds_finished
from voicepipe.local.openai_ga.formats import Decoder, decoded, encoded, from_base64
from voicepipe.local.openai_ga.hearing import Found, InputBuffer, SpeechBegan, SpeechEnded, SpeechPaused
from voicepipe.local.openai_ga.messages import client_event, read_event
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.responses import Responses
from voicepipe.local.openai_ga.settings import SessionSettings
from voicepipe.local.openai_ga.shapes import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    ClientEvent,
    ItemCreate,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from voicepipe.local.openai_ga.transcripts import transcript_events, transcript_failed
from voicepipe.local.openai_ga.wishes import Out
from voicepipe.local.speech import Pcm, VoiceActivity
from voicepipe.local.wishes import Hear

_Handler: TypeAlias = Callable[[Any, Any], list[Out]]


@dataclass(frozen=True, slots=True)
class _Unheard:
    """What is to be done once the words of an utterance are known."""

    answers: bool
    is_transcribed: bool


class GAServerSession:
    """One session.

    Args:
        model: The model named when connecting.
        activity: Tells speech from silence.
        ids: Makes the ids.
        expires_at: When the session ends, in seconds since 1970.
        late_deltas: How many deltas of a cancelled response still go out before its end is told.
    """

    def __init__(
        self,
        model: str,
        activity: VoiceActivity,
        *,
        ids: Ids | None = None,
        expires_at: int = 0,
        late_deltas: int = 0,
    ) -> None:
        self.wakes_at_ms: float | None = None
        """When `wake` wants to be called; it may change with every call."""
        self._ids = ids or Ids()
        self._events = Events(self._ids)
        self._settings = SessionSettings(self._ids.new("sess"), model, expires_at)
        self._items = Items()
        self._responses = Responses(self._ids, self._events, self._settings, self._items, late_deltas)
        self._input = InputBuffer(activity)
        self._decoder = Decoder("audio/pcm")
        self._user_item_id = ""
        self._unheard: dict[str, _Unheard] = {}
        self._questions = 0
        self._question = ""
        self._guess: str | None = None

    @property
    def conversation_id(self) -> str:
        """The conversation's id, which its responses carry."""
        return self._responses.conversation_id

    def open(self, _now_ms: float = 0.0) -> list[Out]:
        """Return the first event."""
        return [self._events.make("session.created", session=self._settings.as_wire())]

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
            outputs = self._HANDLERS[type(parsed)](self, parsed)
        except Refusal as refusal:
            return [self._events.refusal(refusal, event_id)]
        self._watch_idleness(outputs, now_ms)
        return outputs

    def error(self, code: str | None, message: str) -> Event:
        """Return an `error` event that no client event is the cause of; with no `code` it is the server's own."""
        return self._events.error("invalid_request_error" if code else "server_error", code, message)

    # Settings.

    def _update(self, event: SessionUpdate) -> list[Out]:
        answers = self._responses.active is not None
        self._settings.update(event.session, has_spoken=self._responses.has_spoken, answers=answers)
        return [self._events.make("session.updated", session=self._settings.as_wire())]

    # The user's sound.

    def _append(self, event: AudioAppend) -> list[Out]:
        pcm = self._decoded(from_base64(event.audio, "audio"))
        found = self._input.append(pcm, self._settings.turn_detection)
        return [output for one in found for output in self._about(one)]

    def _decoded(self, sound: bytes) -> bytes:
        if self._decoder.kind != self._input_kind:
            self._decoder = Decoder(self._input_kind)
        return self._decoder.process(sound)

    @property
    def _input_kind(self) -> str:
        return str(self._settings.audio_input["format"]["type"])

    def _about(self, found: Found) -> list[Out]:
        if isinstance(found, SpeechBegan):
            return self._speech_began(found.at_ms)
        if isinstance(found, SpeechPaused):
            return self._ask_whether_finished(found.pcm)
        return self._speech_ended(found)

    def _speech_began(self, at_ms: int) -> list[Out]:
        self._user_item_id = self._ids.new("item")
        self._question, self._guess = "", None
        started = self._events.make(
            "input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._user_item_id
        )
        return [started, *(self._responses.interrupt() if self._may("interrupt_response") else [])]

    def _ask_whether_finished(self, pcm: Pcm) -> list[Out]:
        self._questions += 1
        self._question, self._guess = f"question {self._questions}", None
        return [Hear(self._question, pcm)]

    def _speech_ended(self, found: SpeechEnded) -> list[Out]:
        item_id, text = self._user_item_id, self._guess
        self._question, self._guess = "", None
        stopped = self._events.make(
            "input_audio_buffer.speech_stopped", audio_end_ms=found.at_ms, item_id=item_id
        )
        outputs = [stopped, *self._commit_as(item_id, found.pcm, answers=self._may("create_response"))]
        if text is None:
            return [*outputs, Hear(item_id, found.pcm)]
        return [*outputs, *self.heard(item_id, text)]

    def _may(self, name: str) -> bool:
        """Return `create_response` or `interrupt_response`."""
        return bool((self._settings.turn_detection or {}).get(name))

    def _commit(self, _event: AudioCommit) -> list[Out]:
        if self._settings.turn_detection is None:
            self._input.append(self._decoder.end_utterance(), None)
        if self._input.is_too_short:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {self._input.buffered_ms:.2f}ms of audio."
            )
            raise Refusal("input_audio_buffer_commit_empty", message)
        item_id = self._user_item_id if self._input.speaks else self._ids.new("item")
        pcm = self._input.take()
        return [*self._commit_as(item_id, pcm, answers=False), Hear(item_id, pcm)]

    def _commit_as(self, item_id: str, pcm: Pcm, *, answers: bool) -> list[Out]:
        wire: Event = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        kind = self._input_kind
        item = Item(wire, sound=encoded(pcm.tobytes(), kind), kind=kind)
        committed = self._events.make(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=self._items.last_id
        )
        self._unheard[item_id] = _Unheard(answers, is_transcribed=True)
        return [committed, *self._add(item)]

    def _clear(self, _event: AudioClear) -> list[Out]:
        self._input.clear()
        self._decoder.reset()
        return [self._events.make("input_audio_buffer.cleared")]

    # Items.

    def _create_item(self, event: ItemCreate) -> list[Out]:
        item = created_item(event.item.given(), self._ids, self._input_kind)
        outputs = self._add(item, event.previous_item_id)
        if item.sound:
            self._unheard[item.id] = _Unheard(answers=False, is_transcribed=False)
            pcm = np.frombuffer(decoded(item.sound, item.kind), np.int16)
            outputs.append(Hear(item.id, pcm))
        return outputs

    def _add(self, item: Item, after: str | None = None) -> list[Out]:
        previous = self._items.add(item, after)
        return [
            self._events.make(type_, item=item.shown(), previous_item_id=previous)
            for type_ in ("conversation.item.added", "conversation.item.done")
        ]

    def _delete_item(self, event: ItemDelete) -> list[Out]:
        self._items.delete(event.item_id)
        return [self._events.make("conversation.item.deleted", item_id=event.item_id)]

    def _retrieve_item(self, event: ItemRetrieve) -> list[Out]:
        item = self._items.retrieve(event.item_id)
        return [self._events.make("conversation.item.retrieved", item=item.shown(with_sound=True))]

    def _truncate_item(self, event: ItemTruncate) -> list[Out]:
        self._items.truncate(event.item_id, event.audio_end_ms)
        fields = {"item_id": event.item_id, "content_index": 0, "audio_end_ms": event.audio_end_ms}
        return [self._events.make("conversation.item.truncated", **fields)]

    # Responses.

    def _create_response(self, event: ResponseCreate) -> list[Out]:
        return self._responses.begin(event.response, can_answer=not self._unheard)

    def _cancel_response(self, event: ResponseCancel) -> list[Out]:
        return self._responses.cancel(event.response_id)

    # What is reported back.

    def heard(self, key: str, text: str | None, now_ms: float = 0.0) -> list[Out]:
        """Take the words found in an utterance: tell its transcript, then answer if that is the server's part.

        Args:
            key: Of the wish.
            text: The words; None if the ears failed.
            now_ms: The time.
        """
        if key not in self._unheard:
            return self._answered(key, text or "")
        todo, item = self._unheard.pop(key), self._items.find(key)
        outputs = self._understood(item, text, todo) if item is not None else []
        if todo.answers and not self._user_goes_on:
            outputs += self._responses.begin_unasked()
        if not self._unheard:
            outputs += self._responses.release()
        self._watch_idleness(outputs, now_ms)
        return outputs

    def _answered(self, question: str, text: str) -> list[Out]:
        """Take what was heard up to a pause: a finished sentence ends the turn, another one is waited for."""
        if question != self._question:
            return []
        self._guess = text
        ended = self._input.end_turn() if sounds_finished(text) else None
        return self._speech_ended(ended) if ended is not None else []

    def _understood(self, item: Item, text: str | None, todo: _Unheard) -> list[Out]:
        item.text = " ".join(part for part in (item.text, text) if part)
        transcription = self._settings.audio_input["transcription"]
        if transcription is None or not todo.is_transcribed:
            return []
        if text is None:
            return [transcript_failed(self._events, item)]
        item.wire["content"][0]["transcript"] = item.text
        logprobs = self._settings.wants_logprobs
        return [*transcript_events(self._events, item, transcription, logprobs=logprobs)]

    @property
    def _user_goes_on(self) -> bool:
        """Whether another turn has begun, whose end will be answered: an answer now would be cut at once."""
        later = any(unheard.answers for unheard in self._unheard.values())
        return later or (self._input.speaks and self._may("interrupt_response"))

    def say(self, response: Response, text: str, pcm: bytes) -> None:
        """Take words of an answer, with their sound at 24 kHz; `advance` lets them out."""
        response.say(text, pcm)

    def advance(self, response: Response, delta_ms: int, now_ms: float = 0.0) -> list[Out]:
        """Return the events of an answer's next `delta_ms` of sound."""
        outputs = self._responses.advance(response, delta_ms)
        self._watch_idleness(outputs, now_ms)
        return outputs

    def call(self, response: Response, call: Call) -> list[Out]:
        """Call a function as part of an answer."""
        return self._responses.call(response, call)

    def finish(self, response: Response, now_ms: float = 0.0) -> list[Out]:
        """End an answer that is complete."""
        outputs = self._responses.finish(response)
        self._watch_idleness(outputs, now_ms)
        return outputs

    def fail(self, response: Response, message: str, now_ms: float = 0.0) -> list[Out]:
        """End an answer that could not be made."""
        outputs = self._responses.fail(response, message)
        self._watch_idleness(outputs, now_ms)
        return outputs

    # Silence.

    def wake(self, now_ms: float) -> list[Out]:
        """Take that it is `now_ms`: after too long a silence the model speaks by itself."""
        if self.wakes_at_ms is None or now_ms < self.wakes_at_ms:
            return []
        self.wakes_at_ms = None
        if self._idle_timeout_ms is None or self._input.speaks or self._responses.active is not None:
            return []
        item_id, end_ms = self._ids.new("item"), self._input.received_ms
        pcm = self._input.take()
        fields = {"audio_start_ms": end_ms - len(pcm) // 24, "audio_end_ms": end_ms, "item_id": item_id}
        triggered = self._events.make("input_audio_buffer.timeout_triggered", **fields)
        return [triggered, *self._commit_as(item_id, pcm, answers=True), *self.heard(item_id, "", now_ms)]

    @property
    def _idle_timeout_ms(self) -> int | None:
        return (self._settings.turn_detection or {}).get("idle_timeout_ms")

    def _watch_idleness(self, outputs: list[Out], now_ms: float) -> None:
        """Count the silence from the end of an answer, when it has been played, to the user's next word."""
        for output in outputs:
            if not isinstance(output, dict):
                continue
            if output["type"] == "input_audio_buffer.speech_started":
                self.wakes_at_ms = None
            elif output["type"] in ("response.created", "response.done"):
                response: Event = output["response"]
                # The user does not hear what is out of band.
                if response["conversation_id"] is not None:
                    self.wakes_at_ms = self._idle_at_ms(response, now_ms)

    def _idle_at_ms(self, response: Mapping[str, Any], now_ms: float) -> float | None:
        if response["status"] == "in_progress" or self._input.speaks or self._idle_timeout_ms is None:
            return None
        return now_ms + self._spoken_ms(response) + self._idle_timeout_ms

    def _spoken_ms(self, response: Mapping[str, Any]) -> float:
        items = (self._items.find(item["id"]) for item in response["output"])
        return sum(item.sound_ms for item in items if item is not None)

    _HANDLERS: ClassVar[Mapping[type[ClientEvent], _Handler]] = {
        SessionUpdate: _update,
        AudioAppend: _append,
        AudioCommit: _commit,
        AudioClear: _clear,
        ItemCreate: _create_item,
        ItemDelete: _delete_item,
        ItemRetrieve: _retrieve_item,
        ItemTruncate: _truncate_item,
        ResponseCreate: _create_response,
        ResponseCancel: _cancel_response,
    }
