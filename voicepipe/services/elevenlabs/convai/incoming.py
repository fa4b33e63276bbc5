"""The ElevenLabs wire from the server: each event in the words all providers share, and what follows from it at once.

`HANDLERS` is the table of what is understood (protocol page, section 4). Events that only tell something are passed on as
they are (`ServerEvent`); anything else is counted and passed over, since the API grows.
"""

from __future__ import annotations

import binascii
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias, cast

import orjson

from voicepipe.errors import AudioFormatError
from voicepipe.quick_base64 import decoded
from voicepipe.realtime.events import (
    ApprovalWanted,
    Failure,
    ItemCreated,
    ItemUpdated,
    Oddity,
    Output,
    ServerEvent,
    ServerTool,
    ToolCall,
    UserTranscript,
)
from voicepipe.services.elevenlabs.convai import wire
from voicepipe.services.elevenlabs.convai.errors import OVER, failure_of
from voicepipe.services.elevenlabs.convai.formats import DEFAULT_FORMAT, wire_format
from voicepipe.services.elevenlabs.convai.state import OpenCall, State

Event: TypeAlias = Mapping[str, Any]

CANCELLED: Final = "CANCELLED"
"""What a function gives that an interruption ended."""
_REMEMBERED_CALLS: Final = 256
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, binascii.Error)
_MCP_STAGES: Final[Mapping[str, Any]] = {
    "loading": "calling",
    "awaiting_approval": "calling",
    "success": "called",
    "failure": "failed",
}


class Incoming:
    """Takes the server's messages, whatever they hold.

    Args:
        state: The conversation.
    """

    def __init__(self, state: State) -> None:
        self.passed_over: Counter[str] = Counter()
        """How often something was not understood or came too late, by its type."""
        self._state = state
        self._seen_calls: deque[str] = deque(maxlen=_REMEMBERED_CALLS)
        self._told_calls: deque[str] = deque(maxlen=_REMEMBERED_CALLS)

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one event. What is not understood is told once for each sort, and harms nothing."""
        try:
            event = orjson.loads(message)
            type_ = event["type"]
            handler = self.HANDLERS.get(type_)
            return self._pass_over(str(type_)) if handler is None else handler(self, event)
        except orjson.JSONDecodeError:
            return self._pass_over("a message that is not JSON")
        except _UNREADABLE as error:
            return self._pass_over(f"an event with something missing or wrong: {error!r}")

    def _pass_over(self, what: str) -> list[Output]:
        self.passed_over[what] += 1
        return [Oddity(what)] if self.passed_over[what] == 1 else []

    def _too_late(self, payload: Event) -> bool:
        late = self._state.replies.is_late(payload.get("event_id"))
        self.passed_over["an event of what was interrupted"] += late
        return late

    # The session.

    def _on_metadata(self, event: Event) -> list[Output]:
        if self._state.has_begun:
            return self._pass_over("conversation_initiation_metadata in a conversation that has begun")
        metadata = dict(_payload(event, "conversation_initiation_metadata_event"))
        # Without the one field that is always there it says nothing of a conversation.
        metadata["conversation_id"] = _text(metadata["conversation_id"])
        try:
            format_in = wire_format(_text(metadata.get("user_input_audio_format") or DEFAULT_FORMAT))
            format_out = wire_format(_text(metadata.get("agent_output_audio_format") or DEFAULT_FORMAT))
        except AudioFormatError as error:
            why = f"the agent's audio format {error}; set another one for the agent"
            return [Failure("protocol", why, "audio_format", fatal=True)]
        return self._state.begun(metadata, format_in, format_out)

    def _on_ping(self, event: Event) -> list[Output]:
        event_id = _payload(event, "ping_event")["event_id"]
        if not isinstance(event_id, int):
            # A pong with it would be a message that the server ends the conversation for.
            return self._pass_over("a ping without a number")
        return [wire.pong(event_id)]

    # The user.

    def _on_tentative_transcript(self, event: Event) -> list[Output]:
        state = self._state
        text = _text(_payload(event, "tentative_user_transcription_event")["user_transcript"])
        begun = [] if state.is_heard else [*state.turns.begin(cancels=True), *state.replies.user_spoke()]
        return [*begun, UserTranscript(state.turns.item_id, text, final=False)]

    def _on_user_transcript(self, event: Event) -> list[Output]:
        state, turns = self._state, self._state.turns
        payload = _payload(event, "user_transcription_event")
        text, item_id = _text(payload["user_transcript"]), turns.item_id
        outputs = turns.begin(cancels=not state.is_heard)
        outputs += [*state.replies.user_spoke(), *turns.end()]
        state.recent.clear()
        state.history.said(item_id, "user", text)
        state.user_said(text, item_id)
        outputs += [ItemCreated(item_id, payload), UserTranscript(item_id, text, final=True)]
        return [*outputs, *state.tell_written()]

    def _on_interruption(self, event: Event) -> list[Output]:
        state = self._state
        state.replies.interrupted(_payload(event, "interruption_event").get("event_id"))
        return state.turns.begin(cancels=True)

    # The bot.

    def _on_audio(self, event: Event) -> list[Output]:
        payload, state = _payload(event, "audio_event"), self._state
        if self._too_late(payload):
            return []
        sound = decoded(payload["audio_base_64"])
        is_final = payload.get("is_final")
        return self._answering(state.replies.sound(sound, state.format_out, is_final=is_final))

    def _on_agent_response(self, event: Event) -> list[Output]:
        payload, state = _payload(event, "agent_response_event"), self._state
        if self._too_late(payload):
            return []
        text = _text(payload["agent_response"])
        outputs = state.replies.words(text, speaks=state.speaks)
        item_id = state.replies.item_of(text) if outputs else None
        told: list[Output] = [ItemCreated(item_id, payload)] if item_id else []
        return self._answering([*outputs, *told])

    def _on_response_part(self, event: Event) -> list[Output]:
        payload, state = _payload(event, "text_response_part"), self._state
        if self._too_late(payload):
            return []
        words = state.replies.part(payload["type"], str(payload.get("text") or ""), speaks=state.speaks)
        return self._answering(words)

    def _on_correction(self, event: Event) -> list[Output]:
        payload = _payload(event, "agent_response_correction_event")
        item_id = self._state.replies.corrected(
            _text(payload["original_agent_response"]), _text(payload["corrected_agent_response"])
        )
        return [ItemUpdated(item_id, payload)] if item_id else []

    def _on_complete(self, event: Event) -> list[Output]:
        late = self._too_late(_payload(event, "agent_response_complete_event"))
        return [] if late else self._state.replies.completed()

    # Functions.

    def _on_tool_call(self, event: Event) -> list[Output]:
        state, payload = self._state, _payload(event, "client_tool_call")
        call_id, name = str(payload["tool_call_id"]), str(payload["tool_name"])
        if call_id in self._seen_calls:
            return []
        self._seen_calls.append(call_id)
        expects = payload.get("expects_response") is not False
        if self._too_late(payload):
            return [wire.tool_result(call_id, CANCELLED, is_error=True)] if expects else []
        parameters: Any = payload.get("parameters") or {}
        arguments = cast("Mapping[str, Any]", parameters) if isinstance(parameters, Mapping) else None
        problem = "" if arguments is not None else f"parameters: {parameters!r} is no JSON object"
        response_id, outputs = state.replies.called(call_id)
        state.calls[call_id] = OpenCall(name, state.connection, expects)
        state.history.called(call_id, name, orjson.dumps(arguments or {}).decode())
        return [*outputs, ToolCall(response_id, call_id, name, arguments, problem)]

    def _on_tool_request(self, event: Event) -> list[Output]:
        payload = _payload(event, "agent_tool_request")
        return [ServerTool("calling", str(payload["tool_call_id"]), payload)]

    def _on_tool_response(self, event: Event) -> list[Output]:
        return self._tool_responded(_payload(event, "agent_tool_response"))

    def _on_full_tool_response(self, event: Event) -> list[Output]:
        payload = _payload(event, "agent_tool_response_full_payload")
        told: Output = ServerEvent("agent_tool_response_full_payload", payload)
        return [*self._tool_responded(payload), told]

    def _tool_responded(self, payload: Event) -> list[Output]:
        call_id = str(payload["tool_call_id"])
        if payload.get("tool_type") == "client" or call_id in self._told_calls:
            return []
        self._told_calls.append(call_id)
        return [ServerTool("failed" if payload.get("is_error") else "called", call_id, payload)]

    def _on_mcp_call(self, event: Event) -> list[Output]:
        payload = _payload(event, "mcp_tool_call")
        call_id, status = str(payload["tool_call_id"]), str(payload["state"])
        outputs: list[Output] = [ServerTool(_MCP_STAGES[status], call_id, payload)]
        if status == "awaiting_approval":
            arguments = orjson.dumps(payload.get("parameters") or {}).decode()
            server = str(payload.get("service_id") or "")
            outputs.append(ApprovalWanted(call_id, server, str(payload["tool_name"]), arguments))
        return outputs

    def _on_mcp_status(self, event: Event) -> list[Output]:
        integrations = cast("list[Event]", _payload(event, "mcp_connection_status")["integrations"])
        return [
            ServerTool("listed" if one.get("is_connected") else "failed", str(one["integration_id"]), one)
            for one in integrations
        ]

    # Errors, and what is only told.

    def _on_error(self, event: Event) -> list[Output]:
        payload = _payload(event, "error_event")
        if payload.get("error_type") in OVER:
            return []
        return [self._state.judged(failure_of(payload, has_begun=self._state.has_begun))]

    def _on_client_error(self, event: Event) -> list[Output]:
        payload = _payload(event, "client_error_event")
        message = payload.get("message") or "the server found a fault in what it was sent"
        return [Failure("request", str(message), "client_error")]

    def _tell(self, event: Event) -> list[Output]:
        """Pass on an event as it is: what stands under its one other key, or all of it."""
        others = {name: value for name, value in event.items() if name != "type"}
        only = next(iter(others.values())) if len(others) == 1 else None
        payload = cast("Event", only) if isinstance(only, Mapping) else others
        return [ServerEvent(str(event["type"]), payload)]

    # Within.

    def _answering(self, outputs: list[Output]) -> list[Output]:
        if outputs:
            self._state.turns.answered()
        return outputs

    HANDLERS: ClassVar[Mapping[str, Callable[[Any, Event], list[Output]]]] = {
        "audio": _on_audio,
        "agent_response": _on_agent_response,
        "agent_response_correction": _on_correction,
        "agent_response_complete": _on_complete,
        "agent_chat_response_part": _on_response_part,
        "user_transcript": _on_user_transcript,
        "tentative_user_transcript": _on_tentative_transcript,
        "interruption": _on_interruption,
        "ping": _on_ping,
        "client_tool_call": _on_tool_call,
        "agent_tool_request": _on_tool_request,
        "agent_tool_response": _on_tool_response,
        "agent_tool_response_full_payload": _on_full_tool_response,
        "mcp_tool_call": _on_mcp_call,
        "mcp_connection_status": _on_mcp_status,
        "conversation_initiation_metadata": _on_metadata,
        "error": _on_error,
        "client_error": _on_client_error,
        **dict.fromkeys(
            (
                "vad_score",
                "asr_initiation_metadata",
                "agent_response_metadata",
                "agent_reasoning_response_part",
                "context_usage",
                "guardrail_triggered",
                "internal_tentative_agent_response",
                "internal_turn_probability",
                "dtmf_request",
                "rich_content",
                "agent_typing",
                "external_agent_connected",
                "external_agent_disconnected",
            ),
            _tell,
        ),
    }


def _payload(event: Event, key: str) -> Event:
    """Return what stands under an event's key; in some older captures it stands beside the type."""
    inner = event.get(key)
    return cast("Event", inner) if isinstance(inner, Mapping) else event


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
