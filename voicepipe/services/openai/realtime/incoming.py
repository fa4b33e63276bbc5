"""The GA wire from the server: each event in the words all providers share, and what follows from it at once.

`HANDLERS` is the table of what is understood (protocol page, section 10.2); anything else is counted and passed over,
since the API grows.
"""

from __future__ import annotations

import binascii
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias, cast

import orjson

from voicepipe.quick_base64 import decoded
from voicepipe.realtime.events import (
    ApprovalWanted,
    AudioChunk,
    BotTranscript,
    Failure,
    ItemCreated,
    ItemRetrieved,
    ItemUpdated,
    Oddity,
    Output,
    RateLimits,
    ResponseFinished,
    ResponseStarted,
    ServerTool,
    SessionReady,
    SettingsApplied,
    ToolCall,
    UserSilent,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.realtime.session import Role
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.errors import failure_of
from voicepipe.services.openai.realtime.results import count, end_of, mappings, transcription_usage
from voicepipe.services.openai.realtime.state import State

Event: TypeAlias = Mapping[str, Any]

_SETTLED_ELSEWHERE: Final = frozenset({"response_cancel_not_active", "session_expired"})
"""Errors of which nobody needs to hear: the response is over, or the connection will close and be replaced."""
_REMEMBERED: Final = 256
"""Events by whose id a repetition is recognised."""
_ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, binascii.Error)


class Incoming:
    """Takes the server's messages, whatever they hold.

    Args:
        state: The conversation.
    """

    def __init__(self, state: State) -> None:
        self.passed_over: Counter[str] = Counter()
        """How often something was not understood, by its type."""
        self._state = state
        self._seen: dict[str, None] = {}
        self._interim: dict[str, str] = {}
        self._call_names: dict[str, str] = {}

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one server event. What is not understood is told once for each sort, and harms nothing."""
        try:
            event = orjson.loads(message)
            type_ = event["type"]
            if self._is_repeated(event.get("event_id")):
                return self._pass_over("an event that came twice")
            handler = self.HANDLERS.get(self._state.dialect.server_names.get(type_, type_))
            return self._pass_over(str(type_)) if handler is None else handler(self, event)
        except orjson.JSONDecodeError:
            return self._pass_over("a message that is not JSON")
        except _UNREADABLE as error:
            return self._pass_over(f"an event with something missing or wrong: {error!r}")

    def lost(self) -> None:
        """Take note that the connection is gone: ids begin anew, and half a transcript will not be finished."""
        self._seen.clear()
        self._interim.clear()

    def _is_repeated(self, event_id: Any) -> bool:
        if not isinstance(event_id, str):
            return False
        if event_id in self._seen:
            return True
        self._seen[event_id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def _pass_over(self, what: str) -> list[Output]:
        self.passed_over[what] += 1
        return [Oddity(what)] if self.passed_over[what] == 1 else []

    # The session.

    def _on_session_created(self, event: Event) -> list[Output]:
        state, session = self._state, event["session"]
        state.session_id = str(session.get("id") or "")
        state.expires_at = count(session, "expires_at") or None
        return state.tuning.first()

    def _on_session_updated(self, event: Event) -> list[Output]:
        state, applied = self._state, SettingsApplied(event["session"])
        state.tuning.confirmed()
        if state.outbox.is_open:
            return [applied]
        state.take_formats(event["session"])
        ready = SessionReady(state.session_id, state.expires_at, is_resumed=state.goes_on)
        return [ready, applied, *state.restored()]

    # The user.

    def _on_speech_started(self, event: Event) -> list[Output]:
        state, item_id = self._state, _text(event["item_id"])
        began_ms = count(event, "audio_start_ms")
        is_news = state.turn.began(item_id, began_ms)
        state.history.place(item_id, "user")
        state.responses.server_turn(state.tuning.server_does("create_response"))
        cancels = state.tuning.server_does("interrupt_response")
        return [UserSpeechStarted(item_id, began_ms, cancels_response=cancels)] if is_news else []

    def _on_speech_stopped(self, event: Event) -> list[Output]:
        state, item_id = self._state, _text(event["item_id"])
        creates = state.tuning.server_does("create_response")
        if not state.turn.ended(item_id):
            return []
        return [UserSpeechStopped(item_id, count(event, "audio_end_ms"), creates_response=creates)]

    def _on_committed(self, event: Event) -> list[Output]:
        item_id = _text(event["item_id"])
        self._state.history.place(item_id, "user", event.get("previous_item_id"))
        if not self._state.tuning.server_decides_turns:
            self._state.turn.item_id = item_id
        return []

    def _on_timeout(self, event: Event) -> list[Output]:
        return [UserSilent(event["item_id"])]

    def _on_transcript_delta(self, event: Event) -> list[Output]:
        item_id = _text(event["item_id"])
        self._interim[item_id] = text = self._interim.get(item_id, "") + event["delta"]
        return [UserTranscript(item_id, text, final=False)]

    def _on_transcript_completed(self, event: Event) -> list[Output]:
        item_id, text = _text(event["item_id"]), _text(event["transcript"])
        self._interim.pop(item_id, None)
        self._state.history.said(item_id, "user", text)
        self._state.turn.transcribed(item_id)
        usage = transcription_usage(item_id, event.get("usage"), self._state.tuning.transcription_model)
        told: list[Output] = [UserTranscript(item_id, text, final=True), ItemUpdated(item_id)]
        return [*told, usage] if usage else told

    def _on_transcript_failed(self, event: Event) -> list[Output]:
        item_id = _text(event["item_id"])
        self._interim.pop(item_id, None)
        why = failure_of(event.get("error") or {})
        message = f"the user's turn {item_id} was not transcribed: {why.message}"
        return [Failure("request", message, why.code)]

    # Items.

    def _on_item_added(self, event: Event) -> list[Output]:
        item = event["item"]
        item_id = item["id"]
        self._state.unseen.discard(item_id)
        role = _ROLES.get(str(item.get("role")))
        if role is not None:
            self._state.history.place(item_id, role, event.get("previous_item_id"))
        return [ItemCreated(item_id, item)]

    def _on_item_done(self, event: Event) -> list[Output]:
        item = event["item"]
        self._finish_item(item["id"])
        if item.get("type") == "mcp_approval_request":
            wanted = ApprovalWanted(item["id"], item["server_label"], item["name"], item["arguments"])
            return [ItemUpdated(item["id"], item), wanted]
        return [ItemUpdated(item["id"], item)]

    def _on_item_truncated(self, event: Event) -> list[Output]:
        return [ItemUpdated(event["item_id"])]

    def _on_item_retrieved(self, event: Event) -> list[Output]:
        item = event["item"]
        return [ItemRetrieved(item["id"], item)]

    def _finish_item(self, item_id: str) -> None:
        self._state.spoken.done(item_id)
        self._state.history.done(item_id)

    # Responses.

    def _on_response_created(self, event: Event) -> list[Output]:
        state, response = self._state, event["response"]
        if response.get("conversation_id", "") is None:
            return []
        response_id = _text(response["id"])
        if state.responses.is_known(response_id):
            return self._pass_over("a response that began twice")
        left = state.responses.running
        cancel = state.responses.started(response_id, covers_wishes=not state.unseen)
        state.turn.answer_began()
        state.has_given = False
        state.spoken_items.clear()
        outputs: list[Output] = [ResponseFinished(left, "failed", "another one began")] if left else []
        outputs.append(ResponseStarted(response_id))
        return [*outputs, wire.event("response.cancel", response_id=response_id)] if cancel else outputs

    def _on_output_item_added(self, event: Event) -> list[Output]:
        item = event["item"]
        if item.get("type") == "function_call":
            self._call_names[item["call_id"]] = item.get("name", "")
        elif item.get("type") == "mcp_call":
            return [ServerTool("calling", item["id"], item)]
        return []

    def _on_audio_delta(self, event: Event) -> list[Output]:
        state = self._state
        response_id, item_id = event["response_id"], _text(event["item_id"])
        if not state.responses.hears(response_id):
            self.passed_over["sound after its response's end"] += 1
            return []
        sound = decoded(event["delta"])
        state.has_spoken = state.has_given = True
        state.spoken.received(response_id, item_id, count(event, "content_index"), sound)
        state.history.sounds(item_id, len(sound) / state.format_out.bytes_per_ms)
        form = state.format_out
        return [AudioChunk(response_id, item_id, sound, None if form.name == "PCM" else form)]

    def _on_audio_done(self, event: Event) -> list[Output]:
        if self._state.responses.hears(event["response_id"]):
            self._finish_item(event["item_id"])
        return []

    def _on_spoken_words(self, event: Event) -> list[Output]:
        told = self._bot_words(event, spoken=True)
        if told:
            self._state.spoken_items.add(event["item_id"])
        return told

    def _on_written_words(self, event: Event) -> list[Output]:
        told = self._bot_words(event, spoken=False)
        self._state.has_given = self._state.has_given or bool(told)
        return told

    def _bot_words(self, event: Event, *, spoken: bool) -> list[Output]:
        response_id, item_id = event["response_id"], _text(event["item_id"])
        if not self._state.responses.hears(response_id):
            return []
        self._state.history.says(item_id, event["delta"])
        return [BotTranscript(response_id, item_id, event["delta"], spoken)]

    def _on_arguments_done(self, event: Event) -> list[Output]:
        call_id = event["call_id"]
        name = event.get("name") or self._call_names.get(call_id, "")
        return self._call(event["response_id"], call_id, name, event["arguments"])

    def _on_output_item_done(self, event: Event) -> list[Output]:
        item = event["item"]
        self._finish_item(item["id"])
        if item.get("type") == "mcp_call":
            return [ServerTool("failed" if item.get("error") else "called", item["id"], item)]
        told: list[Output] = []
        if not self._state.dialect.tells_finished_items and self._state.responses.is_known(
            event["response_id"]
        ):
            told.append(ItemUpdated(item["id"], item))
        if item.get("type") != "function_call" or item.get("status") == "incomplete":
            return told
        return told + self._call(
            event["response_id"], item["call_id"], item.get("name") or "", item["arguments"]
        )

    def _call(self, response_id: str, call_id: str, name: str, text: str) -> list[Output]:
        state = self._state
        if not state.responses.hears(response_id) or not state.calls.made(response_id, _text(call_id)):
            return []
        self._call_names.pop(call_id, None)
        arguments, problem = _arguments(text)
        state.history.called(call_id, name, text if arguments is not None else "{}")
        return [ToolCall(response_id, call_id, name, arguments, problem)]

    def _on_response_done(self, event: Event) -> list[Output]:
        state, response = self._state, event["response"]
        response_id = response["id"]
        side = state.sides.finished(response)
        if side:
            return side
        was_heard = state.responses.hears(response_id)
        if not state.responses.finished(response_id):
            self.passed_over["the end of a response that was not seen to begin"] += 1
            return state.ask()
        end = end_of(response)
        if end.status == "completed":
            state.turn.answered()
        calls = state.calls.made_by(response_id)
        outputs: list[Output] = [ResponseFinished(response_id, end.status, end.reason, end.usage, calls)]
        if end.failure:
            outputs.append(end.failure)
        outputs += state.spoken.response_finished(response_id)
        wants_more = state.calls.response_finished(response_id) or (was_heard and _ends_in_tool(response))
        return outputs + (state.want() if wants_more else state.ask())

    def _on_rate_limits(self, event: Event) -> list[Output]:
        return [RateLimits(tuple(event["rate_limits"]))]

    # Tools that the server runs.

    def _on_tools_listing(self, event: Event) -> list[Output]:
        return [ServerTool("listing", event["item_id"])]

    def _on_tools_listed(self, event: Event) -> list[Output]:
        return [ServerTool("listed", event["item_id"])]

    def _on_tool_failed(self, event: Event) -> list[Output]:
        return [ServerTool("failed", event["item_id"])]

    # Errors.

    def _on_error(self, event: Event) -> list[Output]:
        state, error = self._state, event["error"]
        failure = failure_of(error)
        event_id = str(error.get("event_id") or "")
        if state.tuning.is_pending(event_id):
            return state.tuning.refused(event_id, failure, has_spoken=state.has_spoken)
        if event_id.startswith("evt_get_"):
            return [ItemRetrieved(event_id.removeprefix("evt_get_"), None, failure.message)]
        side = state.sides.refused(event_id, failure.message)
        if side:
            return side
        busy = failure.code == "conversation_already_has_active_response"
        state.responses.refused(event_id, busy=busy)
        if busy or failure.code in _SETTLED_ELSEWHERE:
            return []
        if not event_id and not state.turn.speaks:
            # It may be the server's own answer to the user that failed: nothing needs to wait for that any more.
            state.responses.server_turn(False)
        return [failure, *state.ask()]

    def _nothing(self, _event: Event) -> list[Output]:
        return []

    HANDLERS: ClassVar[Mapping[str, Callable[[Any, Event], list[Output]]]] = {
        "response.output_audio.delta": _on_audio_delta,
        "response.output_audio.done": _on_audio_done,
        "response.output_audio_transcript.delta": _on_spoken_words,
        "response.output_text.delta": _on_written_words,
        "response.created": _on_response_created,
        "response.output_item.added": _on_output_item_added,
        "response.output_item.done": _on_output_item_done,
        "response.function_call_arguments.done": _on_arguments_done,
        "response.done": _on_response_done,
        "response.mcp_call.failed": _on_tool_failed,
        "mcp_list_tools.in_progress": _on_tools_listing,
        "mcp_list_tools.completed": _on_tools_listed,
        "mcp_list_tools.failed": _on_tool_failed,
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "input_audio_buffer.committed": _on_committed,
        "input_audio_buffer.timeout_triggered": _on_timeout,
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
                "conversation.item.input_audio_transcription.segment",
                "input_audio_buffer.cleared",
                "response.content_part.added",
                "response.content_part.done",
                "response.output_audio_transcript.done",
                "response.output_text.done",
                "response.function_call_arguments.delta",
                "response.mcp_call_arguments.delta",
                "response.mcp_call_arguments.done",
                "response.mcp_call.in_progress",
                "response.mcp_call.completed",
            ),
            _nothing,
        ),
    }


def _ends_in_tool(response: Event) -> bool:
    """Whether the last thing in a response is a call that the server itself made: nobody has spoken to its result yet."""
    output = mappings(response.get("output"))
    ends_so = bool(output) and output[-1].get("type") == "mcp_call"
    return response.get("status") == "completed" and ends_so


def _text(value: Any) -> str:
    """Return a value that has to be a text, as an id, before anything is done with it.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _arguments(text: str) -> tuple[Mapping[str, Any] | None, str]:
    try:
        arguments: Any = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        return None, f"the arguments are not JSON: {error}"
    if isinstance(arguments, dict):
        return cast("dict[str, Any]", arguments), ""
    return None, f"the arguments are {text}, which is no JSON object"
