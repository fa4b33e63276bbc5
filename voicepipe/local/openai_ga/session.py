"""The server's side of one session, without I/O: client events in; server events and wishes out.

A wish is what the session cannot do itself: have an utterance heard, have an answer made. Whoever drives it (the
server, a test) grants wishes in its own time and reports back.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, cast

import orjson

from voicepipe.audio.g711 import alaw_decode, ulaw_decode
from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.brain import Call, Conversation
from voicepipe.local.openai_ga.conversation import Item, Items, item_from_wire, turns_of
from voicepipe.local.openai_ga.events import Event, Events, Ids, Refusal, text_field
from voicepipe.local.openai_ga.hearing import InputBuffer, SpeechBegan, SpeechEnded
from voicepipe.local.openai_ga.response import Response, Status
from voicepipe.local.openai_ga.settings import SessionSettings
from voicepipe.local.openai_ga.usage import transcription_usage
from voicepipe.local.speech import Pcm, VoiceActivity

_RESPONSE_FIELDS = frozenset(
    {
        "conversation",
        "input",
        "instructions",
        "output_modalities",
        "audio",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "reasoning",
        "prompt",
        "metadata",
    }
)


@dataclass(frozen=True, slots=True)
class Hear:
    """Find the words in what the user said; then call `GAServerSession.heard`. `pcm` is at 24 kHz."""

    item_id: str
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Answer:
    """Make an answer, with `GAServerSession.say`, `.call` and `.finish`."""

    response: Response
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """Stop making an answer; its end has been told."""

    response_id: str


Out: TypeAlias = Event | Hear | Answer | StopAnswer


class GAServerSession:
    """One session.

    Args:
        model: The model named when connecting.
        activity: Tells speech from silence.
        expires_at: When the session ends, in seconds since 1970.
    """

    def __init__(self, model: str, activity: VoiceActivity, expires_at: int = 0) -> None:
        self._ids = Ids()
        self._events = Events(self._ids)
        self.settings = SessionSettings(self._ids.new("sess"), model, expires_at)
        self._conversation_id = self._ids.new("conv")
        self._items = Items()
        self._input = InputBuffer(activity)
        self._active: Response | None = None
        self._out_of_band: dict[str, Response] = {}
        self._user_item_id = ""
        self._waits_for_ears: dict[str, bool] = {}
        self._cached_tokens = 0
        self._has_spoken = False
        self._decoder_rate: StreamResampler | None = None

    def open(self) -> list[Out]:
        """Return the first event."""
        return [self._events.make("session.created", session=self.settings.as_wire())]

    def receive(self, message: str | bytes) -> list[Out]:
        """Take a client event. What the API refuses gives an `error` event, and the session goes on."""
        if isinstance(message, bytes):
            return [
                self._events.refusal(Refusal("invalid_event", "Binary messages are not supported."), None)
            ]
        try:
            event: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [self._events.refusal(Refusal("invalid_json", "The message is not valid JSON."), None)]
        if not isinstance(event, dict) or not isinstance(cast("Event", event).get("type"), str):
            return [self._events.refusal(Refusal("invalid_event", "The event has no type.", "type"), None)]
        event = cast("Event", event)
        given_id = event.get("event_id")
        event_id = given_id if isinstance(given_id, str) else None
        try:
            handler = self._HANDLERS.get(event["type"])
            if handler is None:
                raise Refusal("invalid_value", f"Invalid value: '{event['type']}'. {_accepted(self)}", "type")
            return handler(self, event)
        except Refusal as refusal:
            return [self._events.refusal(refusal, event_id)]

    # What the client asks.

    def _update(self, event: Event) -> list[Out]:
        self.settings.update(event.get("session"), has_spoken=self._has_spoken)
        return [self._events.make("session.updated", session=self.settings.as_wire())]

    def _append(self, event: Event) -> list[Out]:
        try:
            sound = binascii.a2b_base64(text_field(event, "audio"), strict_mode=True)
        except binascii.Error:
            raise Refusal("invalid_value", "Invalid 'audio': not base64.", "audio") from None
        outputs: list[Out] = []
        for found in self._input.append(self._as_pcm(sound), self.settings.turn_detection):
            if isinstance(found, SpeechBegan):
                outputs += self._speech_began(found.at_ms)
            else:
                outputs += self._speech_ended(found)
        return outputs

    def _as_pcm(self, sound: bytes) -> bytes:
        kind = self.settings.audio_input["format"]["type"]
        if kind == "audio/pcm":
            if len(sound) % 2:
                raise Refusal("invalid_value", "Invalid 'audio': half a sample.", "audio")
            return sound
        if self._decoder_rate is None:
            self._decoder_rate = StreamResampler(8000, 24000)
        decode = ulaw_decode if kind == "audio/pcmu" else alaw_decode
        return self._decoder_rate.process(decode(sound))

    def _speech_began(self, at_ms: int) -> list[Out]:
        self._user_item_id = self._ids.new("item")
        started = self._events.make(
            "input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._user_item_id
        )
        detection = self.settings.turn_detection or {}
        interrupts = detection.get("interrupt_response") is not False
        return [started, *(self._cancel_active("turn_detected") if interrupts else [])]

    def _speech_ended(self, found: SpeechEnded) -> list[Out]:
        item_id = self._user_item_id
        stopped = self._events.make(
            "input_audio_buffer.speech_stopped", audio_end_ms=found.at_ms, item_id=item_id
        )
        detection = self.settings.turn_detection or {}
        answers = detection.get("create_response") is not False
        return [stopped, *self._commit_as(item_id, found.pcm, answers=answers)]

    def _commit(self, _event: Event) -> list[Out]:
        if self._input.is_too_short():
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {self._input.buffered_ms:.2f}ms of audio."
            )
            raise Refusal("input_audio_buffer_commit_empty", message)
        return self._commit_as(self._ids.new("item"), self._input.take(), answers=False)

    def _commit_as(self, item_id: str, pcm: Pcm, *, answers: bool) -> list[Out]:
        wire = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = Item(wire, sound_ms=len(pcm) / 24)
        committed = self._events.make(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=self._items.last_id
        )
        self._waits_for_ears[item_id] = answers
        return [committed, *self._add(item), Hear(item_id, pcm)]

    def _clear(self, _event: Event) -> list[Out]:
        self._input.clear()
        return [self._events.make("input_audio_buffer.cleared")]

    def _create_item(self, event: Event) -> list[Out]:
        item = item_from_wire(event.get("item"), self._ids.new("item"))
        return self._add(item, event.get("previous_item_id"))

    def _add(self, item: Item, after: str | None = None) -> list[Out]:
        previous = self._items.add(item, after)
        return [
            self._events.make(type_, item=deepcopy(item.wire), previous_item_id=previous)
            for type_ in ("conversation.item.added", "conversation.item.done")
        ]

    def _delete_item(self, event: Event) -> list[Out]:
        item_id = text_field(event, "item_id")
        self._items.delete(item_id)
        return [self._events.make("conversation.item.deleted", item_id=item_id)]

    def _retrieve_item(self, event: Event) -> list[Out]:
        item = self._items.retrieve(text_field(event, "item_id"))
        return [self._events.make("conversation.item.retrieved", item=deepcopy(item.wire))]

    def _truncate_item(self, event: Event) -> list[Out]:
        item_id, end_ms = text_field(event, "item_id"), event.get("audio_end_ms")
        if not isinstance(end_ms, int) or end_ms < 0:
            raise Refusal("invalid_value", "Invalid 'audio_end_ms': expected milliseconds.", "audio_end_ms")
        self._items.truncate(item_id, end_ms)
        fields = {"item_id": item_id, "content_index": event.get("content_index", 0), "audio_end_ms": end_ms}
        return [self._events.make("conversation.item.truncated", **fields)]

    def _create_response(self, event: Event) -> list[Out]:
        wanted: dict[str, Any] = event.get("response") or {}
        unknown = set(wanted) - _RESPONSE_FIELDS
        if unknown:
            param = f"response.{min(unknown)}"
            raise Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param)
        if wanted.get("conversation") != "none":
            if self._active is not None:
                message = f"Conversation already has an active response in progress: {self._active.id}."
                raise Refusal("conversation_already_has_active_response", message)
            return self._begin_response(wanted)
        return self._begin_response(wanted, out_of_band=True)

    def _cancel_response(self, event: Event) -> list[Out]:
        wanted = event.get("response_id")
        if isinstance(wanted, str) and wanted in self._out_of_band:
            return self._end(self._out_of_band[wanted], "cancelled", reason="client_cancelled")
        if self._active is None or wanted not in (None, self._active.id):
            message = "Cancellation failed: no active response found"
            raise Refusal("response_cancel_not_active", message)
        return self._cancel_active("client_cancelled")

    # Responses.

    def _begin_response(self, wanted: Mapping[str, Any], *, out_of_band: bool = False) -> list[Out]:
        effective = _laid_over(self.settings.as_wire(), wanted)
        conversation_id = None if out_of_band else self._conversation_id
        response = Response(self._ids, self._events, effective, conversation_id, wanted.get("metadata"))
        if out_of_band:
            self._out_of_band[response.id] = response
        else:
            self._active = response
        conversation = Conversation(
            instructions=effective["instructions"],
            turns=turns_of(self._taken(wanted)),
            tools=[tool for tool in effective["tools"] if tool.get("type") == "function"],
            tool_choice=effective["tool_choice"],
        )
        return [*response.begin(), Answer(response, conversation)]

    def _taken(self, wanted: Mapping[str, Any]) -> list[Item]:
        given = wanted.get("input")
        if given is None:
            return list(self._items)
        taken: list[Item] = []
        for one in given:
            if isinstance(one, Mapping) and cast("Mapping[str, Any]", one).get("type") == "item_reference":
                taken.append(self._items.retrieve(str(cast("Mapping[str, Any]", one).get("id"))))
            else:
                taken.append(item_from_wire(one, self._ids.new("item")))
        return taken

    def _cancel_active(self, reason: str) -> list[Out]:
        return self._end(self._active, "cancelled", reason=reason) if self._active else []

    def _end(self, response: Response, status: Status, **details: Any) -> list[Out]:
        taken = [item for item in self._items if item not in response.items]
        events = response.end(status, taken, self._cached_tokens, **details)
        if response is self._active:
            self._active = None
            usage = events[-1]["response"]["usage"]
            self._cached_tokens = usage["total_tokens"]
        self._out_of_band.pop(response.id, None)
        limits = [
            {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
            {"name": "tokens", "limit": 1_000_000, "remaining": 990_000, "reset_seconds": 0.6},
        ]
        stop: list[Out] = [StopAnswer(response.id)] if status == "cancelled" else []
        return [*stop, *events, self._events.make("rate_limits.updated", rate_limits=limits)]

    def _file(self, response: Response, before: int) -> None:
        """Put the items that a response has begun since into the conversation."""
        if response.conversation_id is None:
            return
        for item in response.items[before:]:
            self._items.add(item)

    # What is reported back.

    def heard(self, item_id: str, text: str) -> list[Out]:
        """Take the words found in an utterance: tell its transcript, then answer if that is the server's part."""
        item = self._items.find(item_id)
        answers = self._waits_for_ears.pop(item_id, False)
        outputs: list[Out] = []
        if item is not None:
            item.text = text
            if self.settings.audio_input["transcription"] is not None:
                outputs += self._transcript(item)
        if not answers:
            return outputs
        if self._active is not None:
            message = f"Conversation already has an active response in progress: {self._active.id}."
            code = "conversation_already_has_active_response"
            return [*outputs, self._events.error("invalid_request_error", code, message)]
        return outputs + self._begin_response({})

    def _transcript(self, item: Item) -> Iterator[Event]:
        item.wire["content"][0]["transcript"] = item.text
        ids = {"item_id": item.id, "content_index": 0}
        name = "conversation.item.input_audio_transcription"
        for index, word in enumerate(item.text.split()):
            yield self._events.make(f"{name}.delta", **ids, delta=f" {word}" if index else word)
        usage = transcription_usage(item)
        yield self._events.make(f"{name}.completed", **ids, transcript=item.text, usage=usage)

    def say(self, response: Response, text: str, pcm: bytes, delta_ms: int) -> Iterator[list[Event]]:
        """Speak (or write, where text is asked for) part of an answer; yields the events of one delta of sound at a time.

        Args:
            response: The answer.
            text: The words.
            pcm: Their sound, s16le mono at 24 kHz; not used where text is asked for.
            delta_ms: How much sound a delta holds.
        """
        before = len(response.items)
        if not response.speaks:
            events = response.write(text, self._items.last_id)
            self._file(response, before)
            yield events
            return
        for events in response.say(text, pcm, delta_ms, self._items.last_id):
            self._file(response, before)
            before = len(response.items)
            self._has_spoken = True
            yield events

    def call(self, response: Response, call: Call) -> list[Event]:
        """Call a function as part of an answer."""
        before = len(response.items)
        events = response.call(call.name, call.arguments, self._items.last_id)
        self._file(response, before)
        return events

    def finish(self, response: Response) -> list[Out]:
        """End an answer that is complete."""
        return self._end(response, "completed")

    def fail(self, response: Response, message: str) -> list[Out]:
        """End an answer that could not be made."""
        error = {"type": "server_error", "code": "server_error", "message": message}
        return self._end(response, "failed", error=error)

    _HANDLERS: ClassVar[Mapping[str, Callable[[Any, Event], list[Out]]]] = {
        "session.update": _update,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit,
        "input_audio_buffer.clear": _clear,
        "conversation.item.create": _create_item,
        "conversation.item.delete": _delete_item,
        "conversation.item.retrieve": _retrieve_item,
        "conversation.item.truncate": _truncate_item,
        "response.create": _create_response,
        "response.cancel": _cancel_response,
    }

    @classmethod
    def accepted_types(cls) -> list[str]:
        """The types of client events it takes."""
        return list(cls._HANDLERS)


def _accepted(session: GAServerSession) -> str:
    return "Supported values are: " + ", ".join(f"'{type_}'" for type_ in session.accepted_types()) + "."


def _laid_over(session: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one response: the session's, with the response's own in their place."""
    for name in ("instructions", "output_modalities", "tools", "tool_choice", "max_output_tokens"):
        if wanted.get(name) is not None:
            session[name] = wanted[name]
    audio: dict[str, Any] = wanted.get("audio") or {}
    output: dict[str, Any] = audio.get("output") or {}
    session["audio"]["output"].update({name: value for name, value in output.items() if value is not None})
    return session
