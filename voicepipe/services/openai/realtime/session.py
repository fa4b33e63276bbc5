"""The OpenAI Realtime GA wire as a state machine: server events in, happenings out; wishes in, client events out.

No socket, no clock, no await (`voicepipe.realtime.session`). `_HANDLERS` is the table of what is understood; anything
else is counted and passed over, since the API grows.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, cast

import orjson

from voicepipe.audio.playback import Heard
from voicepipe.errors import SettingsError
from voicepipe.realtime.calls import Calls
from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Failure,
    ItemCreated,
    ItemRetrieved,
    ItemUpdated,
    Output,
    RateLimits,
    ResponseFinished,
    ResponseStarted,
    Send,
    SessionReady,
    SettingsApplied,
    ToolCall,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.realtime.outbox import Outbox
from voicepipe.realtime.responses import Responses, Wish
from voicepipe.realtime.session import Role
from voicepipe.realtime.settings import SettingsInForce, difference, merged, plain
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.errors import failure_of
from voicepipe.services.openai.realtime.events import (
    AudioFormat,
    CustomVoice,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.formats import wire_format
from voicepipe.services.openai.realtime.results import finished_response, transcription_usage
from voicepipe.services.openai.realtime.spoken import SpokenItems

Event: TypeAlias = Mapping[str, Any]

HOLD_MS = 10_000
"""How much of the user's sound is kept while the session is not ready."""

_BYTES_OF_BASE64_PER_MS = 64
_SIDES: tuple[Literal["input", "output"], ...] = ("input", "output")
_FIRST_UPDATE = "vp_set_first"


class OpenAIRealtimeSession:
    """One conversation over the GA wire.

    Args:
        properties: The settings the session begins with.
    """

    def __init__(self, properties: SessionProperties | None = None) -> None:
        self._begin_with(properties or SessionProperties())
        self.passed_over: dict[str, int] = {}
        """How often a message was not understood, by its type."""
        self._outbox = Outbox(HOLD_MS * _BYTES_OF_BASE64_PER_MS)
        self._responses = Responses()
        self._calls = Calls()
        self._session_id = ""
        self._expires_at: float | None = None
        self._has_spoken = False
        self._carry = b""
        self._ids = 0
        self._user_speaks = False
        self._unseen: set[str] = set()
        self._interim: dict[str, str] = {}
        self._call_names: dict[str, str] = {}

    def _begin_with(self, properties: SessionProperties) -> None:
        self._settings = SettingsInForce(properties)
        self._format_in = wire_format(_format(properties, "input"))
        self._format_out = wire_format(_format(properties, "output"))
        self._spoken = SpokenItems(self._format_out.bytes_per_ms)

    # What the settings in force mean.

    @property
    def properties(self) -> SessionProperties:
        """The settings in force, those on their way to the server included."""
        return self._settings.current

    @property
    def input_sample_rate(self) -> int:
        """The rate of the sound that `append_audio` takes: 24,000 Hz, or 8,000 where the wire carries G.711."""
        return self._format_in.sample_rate

    @property
    def output_sample_rate(self) -> int:
        """The rate of the sound in `AudioChunk`: 24,000 Hz, or 8,000 where the wire carries G.711."""
        return self._format_out.sample_rate

    @property
    def server_decides_turns(self) -> bool:
        """Whether the server finds the user's turns; `turn_detection=False` leaves them to the client."""
        audio_input = self.properties.audio.input if self.properties.audio else None
        return audio_input is None or audio_input.turn_detection is not False

    def _turn_setting(self, name: str) -> bool:
        """Return `create_response` or `interrupt_response`, which the server takes as true where they are not given."""
        audio_input = self.properties.audio.input if self.properties.audio else None
        detection = (audio_input and audio_input.turn_detection) or TurnDetection()
        return getattr(detection, name) is not False

    # What can be asked of the session.

    def open(self) -> list[Output]:
        """Nothing goes out before the server says `session.created` (protocol page, 11.1)."""
        return []

    def append_audio(self, pcm: bytes) -> list[Output]:
        """Take sound of the user: s16le mono at `input_sample_rate`; an odd byte waits for its other half."""
        if self._carry:
            pcm, self._carry = self._carry + pcm, b""
        if len(pcm) % 2:
            pcm, self._carry = pcm[:-1], pcm[-1:]
        if not pcm:
            return []
        return [*self._outbox.put(wire.append_audio(self._format_in.encode(pcm)))]

    def commit(self) -> list[Output]:
        """End the user's turn, where the client decides turns."""
        return [*self._outbox.put(wire.event("input_audio_buffer.commit"))]

    def clear_audio(self) -> list[Output]:
        """Throw away sound of the user that is not committed yet."""
        return [*self._outbox.put(wire.event("input_audio_buffer.clear"))]

    def interrupt(self, heard: Sequence[Heard]) -> list[Output]:
        """Stop the response that runs and leave in history what was heard of it (promises P-1, P-2, P-18)."""
        messages: list[Send] = []
        running = self._responses.active
        response_id = self._responses.cut_active()
        server_cancels = self._user_speaks and self._turn_setting("interrupt_response")
        if response_id and not server_cancels:
            messages.append(wire.event("response.cancel", response_id=response_id))
        messages += self._spoken.cut(heard, running)
        return [*self._outbox.put(*messages)]

    def update(self, changes: Mapping[str, Any]) -> list[Output]:
        """Change settings: only what `changes` names, at any depth; only what is different goes out."""
        changes = plain(changes)
        try:
            new = self._with_changes(changes)
        except SettingsError as error:
            return [Failure("settings", str(error), field=error.field)]
        if not self._session_id:
            # Nothing was told yet, and the first update will tell all.
            self._begin_with(new)
            return []
        before, after = wire.session_in_wire_shape(self.properties), wire.session_in_wire_shape(new)
        different = difference(before, after, wire.MERGED_BY_SERVER)
        if not different:
            return []
        update_id = self._next_id("set")
        self._settings.change(update_id, new, changes)
        return [wire.session_update(different, update_id)]

    def _with_changes(self, changes: Mapping[str, Any]) -> SessionProperties:
        if "model" in changes:
            raise SettingsError("model", "is chosen when connecting and cannot change in a session")
        new = merged(self.properties, changes)
        if self._has_spoken and _voice(new) != _voice(self.properties):
            raise SettingsError("audio.output.voice", "cannot change once the bot has spoken")
        for side in _SIDES:
            if self._session_id and _format(new, side) != _format(self.properties, side):
                raise SettingsError(f"audio.{side}.format", "cannot change once the session runs")
        return new

    def add_message(self, role: Role, text: str) -> list[Output]:
        """Put a message into the conversation, without asking for an answer."""
        return self._add_item(wire.message_item(role, text))

    def send_tool_result(self, call_id: str, output: str, *, respond: bool = True) -> list[Output]:
        """Answer a function call; once all calls of its response are answered, one response follows (P-7)."""
        if not self._calls.is_open(call_id):
            return []
        outputs = self._add_item(wire.tool_result_item(call_id, output))
        if self._calls.answered(call_id, respond=respond):
            outputs += self.create_response()
        return outputs

    def create_response(self, *, instructions: str | None = None) -> list[Output]:
        """Ask for a response; while another one runs, this one waits for its end (P-5)."""
        fields = {} if instructions is None else {"instructions": instructions}
        return self._ask(self._responses.want(Wish(self._next_id("ask"), fields)))

    def retrieve(self, item_id: str) -> list[Output]:
        """Ask for an item as the server has it."""
        message = wire.event("conversation.item.retrieve", event_id=f"evt_get_{item_id}", item_id=item_id)
        return [*self._outbox.put(message)]

    def closed(self) -> list[Output]:
        """Take note that the socket is gone: a response that ran has failed."""
        self._session_id = ""
        running = self._responses.forget()
        return [ResponseFinished(running, "failed", "the connection was lost")] if running else []

    def _add_item(self, item: Mapping[str, Any]) -> list[Output]:
        item_id = self._next_id("item")
        self._unseen.add(item_id)
        return [*self._outbox.put(wire.create_item(item_id, item))]

    def _ask(self, wish: Wish | None) -> list[Output]:
        if wish is None:
            return []
        fields = {"response": wish.fields} if wish.fields else {}
        return [*self._outbox.put(wire.event("response.create", event_id=wish.event_id, **fields))]

    def _next_id(self, kind: str) -> str:
        self._ids += 1
        return f"vp_{kind}_{self._ids}"

    # What the server says.

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one server event. What cannot be read is counted and gives a `Failure` that is not fatal."""
        try:
            event = orjson.loads(message)
            type_ = event["type"]
            handler = self._HANDLERS.get(type_)
            if handler is None:
                self._pass_over(str(type_))
                return []
            return handler(self, event)
        except (
            orjson.JSONDecodeError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            binascii.Error,
        ) as error:
            self._pass_over("unreadable")
            return [Failure("protocol", f"a message of the server's could not be read: {error!r}")]

    def _pass_over(self, type_: str) -> None:
        self.passed_over[type_] = self.passed_over.get(type_, 0) + 1

    def _on_session_created(self, event: Event) -> list[Output]:
        session = event["session"]
        self._session_id = str(session.get("id") or "")
        self._expires_at = session.get("expires_at")
        self._settings.change(_FIRST_UPDATE, self.properties, {})
        return [wire.session_update(wire.session_in_wire_shape(self.properties), _FIRST_UPDATE)]

    def _on_session_updated(self, event: Event) -> list[Output]:
        applied = SettingsApplied(event["session"])
        self._settings.confirmed()
        if self._outbox.is_open:
            return [applied]
        return [SessionReady(self._session_id, self._expires_at), applied, *self._outbox.open()]

    def _on_speech_started(self, event: Event) -> list[Output]:
        self._user_speaks = True
        self._responses.server_turn(self._turn_setting("create_response"))
        return [
            UserSpeechStarted(
                event["item_id"],
                event.get("audio_start_ms", 0),
                cancels_response=self._turn_setting("interrupt_response"),
            )
        ]

    def _on_speech_stopped(self, event: Event) -> list[Output]:
        self._user_speaks = False
        creates = self._turn_setting("create_response")
        return [UserSpeechStopped(event["item_id"], event.get("audio_end_ms", 0), creates_response=creates)]

    def _on_transcript_delta(self, event: Event) -> list[Output]:
        item_id = event["item_id"]
        self._interim[item_id] = text = self._interim.get(item_id, "") + event["delta"]
        return [UserTranscript(item_id, text, final=False)]

    def _on_transcript_completed(self, event: Event) -> list[Output]:
        item_id = event["item_id"]
        self._interim.pop(item_id, None)
        outputs: list[Output] = [
            UserTranscript(item_id, event["transcript"], final=True),
            ItemUpdated(item_id),
        ]
        usage = transcription_usage(item_id, event.get("usage"))
        return [*outputs, usage] if usage else outputs

    def _on_transcript_failed(self, event: Event) -> list[Output]:
        item_id = event["item_id"]
        self._interim.pop(item_id, None)
        why = failure_of(event.get("error") or {})
        return [Failure("request", f"the user's turn {item_id} was not transcribed: {why.message}", why.code)]

    def _on_item_added(self, event: Event) -> list[Output]:
        item = event["item"]
        self._unseen.discard(item["id"])
        return [ItemCreated(item["id"], item)]

    def _on_item_done(self, event: Event) -> list[Output]:
        item = event["item"]
        self._spoken.done(item["id"])
        return [ItemUpdated(item["id"], item)]

    def _on_item_truncated(self, event: Event) -> list[Output]:
        return [ItemUpdated(event["item_id"])]

    def _on_item_retrieved(self, event: Event) -> list[Output]:
        return [ItemRetrieved(event["item"]["id"], event["item"])]

    def _on_response_created(self, event: Event) -> list[Output]:
        response = event["response"]
        if response.get("conversation_id", "") is None:
            return []
        response_id = response["id"]
        cancel = self._responses.started(response_id, covers_wishes=not self._unseen)
        outputs: list[Output] = [ResponseStarted(response_id)]
        return [*outputs, wire.event("response.cancel", response_id=response_id)] if cancel else outputs

    def _on_output_item_added(self, event: Event) -> list[Output]:
        item = event["item"]
        if item.get("type") == "function_call":
            self._call_names[item["call_id"]] = item.get("name", "")
        return []

    def _on_audio_delta(self, event: Event) -> list[Output]:
        response_id, item_id = event["response_id"], event["item_id"]
        if not self._responses.hears(response_id):
            self._pass_over("response.output_audio.delta after its end")
            return []
        sound = binascii.a2b_base64(event["delta"])
        self._has_spoken = True
        self._spoken.received(response_id, item_id, event.get("content_index", 0), sound)
        return [AudioChunk(response_id, item_id, self._format_out.decode(sound))]

    def _on_audio_done(self, event: Event) -> list[Output]:
        if self._responses.hears(event["response_id"]):
            self._spoken.done(event["item_id"])
        return []

    def _on_spoken_words(self, event: Event) -> list[Output]:
        return self._bot_words(event, spoken=True)

    def _on_written_words(self, event: Event) -> list[Output]:
        return self._bot_words(event, spoken=False)

    def _bot_words(self, event: Event, *, spoken: bool) -> list[Output]:
        if not self._responses.hears(event["response_id"]):
            return []
        return [BotTranscript(event["response_id"], event["item_id"], event["delta"], spoken)]

    def _on_arguments_done(self, event: Event) -> list[Output]:
        call_id = event["call_id"]
        name = event.get("name") or self._call_names.get(call_id, "")
        return self._call(event["response_id"], call_id, name, event["arguments"])

    def _on_output_item_done(self, event: Event) -> list[Output]:
        item = event["item"]
        self._spoken.done(item["id"])
        if item.get("type") != "function_call" or item.get("status") == "incomplete":
            return []
        return self._call(event["response_id"], item["call_id"], item["name"], item["arguments"])

    def _call(self, response_id: str, call_id: str, name: str, text: str) -> list[Output]:
        if not self._responses.hears(response_id) or not self._calls.made(response_id, call_id):
            return []
        self._call_names.pop(call_id, None)
        arguments, problem = _arguments(text)
        return [ToolCall(response_id, call_id, name, arguments, problem)]

    def _on_response_done(self, event: Event) -> list[Output]:
        response = event["response"]
        response_id = response["id"]
        if not self._responses.finished(response_id):
            self._pass_over("response.done of an unknown response")
            return self._ask(self._responses.next())
        calls = self._calls.made_by(response_id)
        outputs: list[Output] = finished_response(response, calls)
        outputs += self._spoken.response_finished(response_id)
        if self._calls.response_finished(response_id):
            return outputs + self.create_response()
        return outputs + self._ask(self._responses.next())

    def _on_rate_limits(self, event: Event) -> list[Output]:
        return [RateLimits(tuple(event["rate_limits"]))]

    def _on_error(self, event: Event) -> list[Output]:
        error = event["error"]
        failure = failure_of(error)
        event_id = str(error.get("event_id") or "")
        busy = failure.code == "conversation_already_has_active_response"
        self._responses.refused(event_id, busy=busy)
        if self._settings.is_pending(event_id):
            self._settings.refused(event_id)
            # Without its first settings the session would answer as somebody else.
            fatal = failure.fatal or event_id == _FIRST_UPDATE
            return [Failure("settings", failure.message, failure.code, fatal, failure.field)]
        if event_id.startswith("evt_get_"):
            return [ItemRetrieved(event_id.removeprefix("evt_get_"), None, failure.message)]
        if busy or failure.code == "response_cancel_not_active":
            return []
        if not event_id and not self._user_speaks:
            # It may be the server's own answer to the user that failed: nothing needs to wait for that any more.
            self._responses.server_turn(False)
            return [failure, *self._ask(self._responses.next())]
        return [failure]

    def _nothing(self, _event: Event) -> list[Output]:
        return []

    _HANDLERS: ClassVar[Mapping[str, Callable[[Any, Event], list[Output]]]] = {
        "response.output_audio.delta": _on_audio_delta,
        "response.output_audio.done": _on_audio_done,
        "response.output_audio_transcript.delta": _on_spoken_words,
        "response.output_text.delta": _on_written_words,
        "response.created": _on_response_created,
        "response.output_item.added": _on_output_item_added,
        "response.output_item.done": _on_output_item_done,
        "response.function_call_arguments.done": _on_arguments_done,
        "response.done": _on_response_done,
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "conversation.item.added": _on_item_added,
        "conversation.item.done": _on_item_done,
        "conversation.item.truncated": _on_item_truncated,
        "conversation.item.retrieved": _on_item_retrieved,
        "conversation.item.input_audio_transcription.delta": _on_transcript_delta,
        "conversation.item.input_audio_transcription.completed": _on_transcript_completed,
        "conversation.item.input_audio_transcription.failed": _on_transcript_failed,
        "session.created": _on_session_created,
        "session.updated": _on_session_updated,
        "rate_limits.updated": _on_rate_limits,
        "error": _on_error,
        # Told by other events in better words.
        **dict.fromkeys(
            (
                "conversation.created",
                "conversation.item.created",
                "conversation.item.deleted",
                "input_audio_buffer.committed",
                "input_audio_buffer.cleared",
                "input_audio_buffer.timeout_triggered",
                "response.content_part.added",
                "response.content_part.done",
                "response.output_audio_transcript.done",
                "response.output_text.done",
                "response.function_call_arguments.delta",
            ),
            _nothing,
        ),
    }


def _voice(properties: SessionProperties) -> str | CustomVoice | None:
    output = properties.audio.output if properties.audio else None
    return output.voice if output else None


def _format(properties: SessionProperties, side_name: Literal["input", "output"]) -> AudioFormat | None:
    audio = properties.audio
    side = (audio.input if side_name == "input" else audio.output) if audio else None
    return side.format if side else None


def _arguments(text: str) -> tuple[Mapping[str, Any] | None, str]:
    try:
        arguments: Any = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        return None, f"the arguments are not JSON: {error}"
    if isinstance(arguments, dict):
        return cast("dict[str, Any]", arguments), ""
    return None, f"the arguments are {text}, which is no JSON object"
