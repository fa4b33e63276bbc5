"""Server events as JSON-ready mappings, each under its own payload key, and the refusals that become `error` events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias

from voicepipe.local.wishes import Event

CloseCode: TypeAlias = Literal[1000, 1002, 1008, 1011]
ErrorType: TypeAlias = Literal[
    "invalid_message",
    "value_error",
    "override_error",
    "missing_dynamic_variable",
    "transport_receive_timeout",
    "max_duration_exceeded",
    "custom_llm_error",
]
"""Those of the API's error types that this server has a use for."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the server ends a conversation.

    Parameters:
        code: The close code.
        reason: What a person needs to know.
        error_type: Of the `error` event before it; None: there is none.
    """

    code: CloseCode
    reason: str
    error_type: ErrorType | None = None


class Refusal(Exception):
    """What the API ends a conversation for: an `error` event, then the close code and the message as its reason.

    Args:
        error_type: The API's word for it.
        message: What a person needs to know.
        code: The close code.
    """

    def __init__(self, error_type: ErrorType, message: str, code: CloseCode = 1008) -> None:
        super().__init__(message)
        self.ending = Ending(code, message, error_type)


class Events:
    """Makes the events of one conversation, whose `event_id`s grow; pings are counted for themselves."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._pings = count(1)

    def metadata(self, conversation_id: str, output_format: str, input_format: str) -> Event:
        """The conversation has begun, in these formats."""
        event = {
            "conversation_id": conversation_id,
            "agent_output_audio_format": output_format,
            "user_input_audio_format": input_format,
        }
        return {
            "type": "conversation_initiation_metadata",
            "conversation_initiation_metadata_event": event,
        }

    def ping(self, ping_ms: int | None) -> Event:
        """Are you there? `ping_ms` is how long the last answer took."""
        return {"type": "ping", "ping_event": {"event_id": next(self._pings), "ping_ms": ping_ms}}

    def audio(self, sound: str, alignment: Mapping[str, Any], *, is_final: bool | None) -> Event:
        """Sound of the agent, base64; `is_final` None is as older servers send it, without that field."""
        event = {"audio_base_64": sound, **self._id(), "alignment": dict(alignment)}
        if is_final is not None:
            event["is_final"] = is_final
        return {"type": "audio", "audio_event": event}

    def user_transcript(self, text: str) -> Event:
        """The user's words."""
        return {
            "type": "user_transcript",
            "user_transcription_event": {"user_transcript": text, **self._id()},
        }

    def tentative_user_transcript(self, text: str) -> Event:
        """The user's words so far."""
        event = {"user_transcript": text, **self._id()}
        return {"type": "tentative_user_transcript", "tentative_user_transcription_event": event}

    def agent_response(self, text: str) -> Event:
        """The agent's words, all of them, before they are spoken."""
        return {"type": "agent_response", "agent_response_event": {"agent_response": text, **self._id()}}

    def correction(self, original: str, corrected: str) -> Event:
        """The agent was interrupted: of these words, those were heard."""
        event = {"original_agent_response": original, "corrected_agent_response": corrected, **self._id()}
        return {"type": "agent_response_correction", "agent_response_correction_event": event}

    def complete(self) -> Event:
        """A reply has been made to its end."""
        return {"type": "agent_response_complete", "agent_response_complete_event": self._id()}

    def chat_part(self, kind: Literal["start", "delta", "stop"], text: str = "") -> Event:
        """A piece of the agent's words while they are being thought of."""
        part = {"text": text, "type": kind, **self._id()}
        return {"type": "agent_chat_response_part", "text_response_part": part}

    def interruption(self) -> Event:
        """The user spoke into it: drop all audio up to this id."""
        return {"type": "interruption", "interruption_event": self._id()}

    def vad_score(self, score: float) -> Event:
        """How sure the server is that it hears speech, 0 to 1."""
        return {"type": "vad_score", "vad_score_event": {"vad_score": round(score, 3)}}

    def client_tool_call(
        self, name: str, call_id: str, parameters: Mapping[str, Any], *, expects_response: bool
    ) -> Event:
        """Run this tool."""
        call = {
            "tool_name": name,
            "tool_call_id": call_id,
            "parameters": dict(parameters),
            "expects_response": expects_response,
            **self._id(),
        }
        return {"type": "client_tool_call", "client_tool_call": call}

    def tool_request(self, name: str, call_id: str, tool_type: str) -> Event:
        """The server begins to run a tool."""
        request = {"tool_name": name, "tool_call_id": call_id, "tool_type": tool_type, **self._id()}
        return {"type": "agent_tool_request", "agent_tool_request": request}

    def tool_response(self, name: str, call_id: str, tool_type: str, *, is_error: bool) -> Event:
        """A tool has run."""
        response = {
            "tool_name": name,
            "tool_call_id": call_id,
            "tool_type": tool_type,
            "is_error": is_error,
            "is_called": True,
            **self._id(),
        }
        return {"type": "agent_tool_response", "agent_tool_response": response}

    def tool_response_in_full(self, response: Event, result: str) -> Event:
        """The same as an `agent_tool_response`, with the result."""
        payload = {**response["agent_tool_response"], "full_tool_result": result, "truncated": False}
        return {"type": "agent_tool_response_full_payload", "agent_tool_response_full_payload": payload}

    def error(self, error_type: str | None, message: str, code: int) -> Event:
        """Something ends the conversation."""
        event = {"code": code, "error_type": error_type or "unknown", "message": message}
        return {"type": "error", "error_event": event}

    def _id(self) -> dict[str, Any]:
        return {"event_id": next(self._numbers)}
