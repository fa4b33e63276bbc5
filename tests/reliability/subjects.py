"""The services under test: one entry a service, all that is of its wire and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pipecat.services.llm_service import FunctionCallParams

from tests.support.tones import tone_server
from voicepipe.local import Pace
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
)

Tool = Callable[[FunctionCallParams], Awaitable[None]]
Event = dict[str, Any]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Serving(Protocol):
    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Subject:
    """A service, its local server, and what its wire calls the things that go wrong.

    Parameters:
        name: As the page calls it.
        serve: Its local server; answers begin a second after the turn's end, and go out twice as fast as they play.
        service: The service at an address, with the function `get_weather`.
        unknown: An event of a type that nobody knows.
        bare: Every event the service knows, without any of its fields.
        ill_typed: Every event the service knows, with fields that are of another type.
        errors: Error events by code, and what the call ends with if the code is fatal.
        ended_response: Makes of the event that ends a response one with this status and reason; others stay.
    """

    name: str
    serve: Callable[[], AbstractAsyncContextManager[Serving]]
    service: Callable[[str, Tool], RealtimeService]
    unknown: str
    bare: tuple[str, ...]
    ill_typed: tuple[str, ...]
    errors: Mapping[str, tuple[str, str | None]]
    ended_response: Callable[[str | bytes, str, str], str | bytes]


def _ga_service(url: str, tool: Tool) -> RealtimeService:
    llm = OpenAIRealtimeLLMService(
        api_key="k",
        base_url=url,
        session_properties=SessionProperties(
            tools=[WEATHER],
            audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription())),
        ),
    )
    llm.register_function("get_weather", tool)
    return llm


def _ga_error(code: str, type_: str) -> str:
    error = {"type": type_, "code": code, "message": f"This is {code}.", "param": None, "event_id": None}
    return json.dumps({"type": "error", "event_id": "event_trouble", "error": error})


def _ga_ended_response(message: str | bytes, status: str, reason: str) -> str | bytes:
    event = json.loads(message)
    if event.get("type") != "response.done":
        return message
    details: Event = {"type": status, "reason": reason}
    if status == "failed":
        details["error"] = {"type": reason, "code": reason}
    event["response"] |= {"status": status, "status_details": details}
    return json.dumps(event)


_GA_TYPES = (
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
    "conversation.item.retrieved",
    "conversation.item.deleted",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.input_audio_transcription.segment",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.timeout_triggered",
    "input_audio_buffer.dtmf_event_received",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "rate_limits.updated",
    "error",
)
_GA_FIELDS = (
    "session",
    "item",
    "item_id",
    "response",
    "response_id",
    "delta",
    "transcript",
    "part",
    "error",
    "arguments",
    "call_id",
    "audio_start_ms",
    "audio_end_ms",
    "content_index",
    "output_index",
    "rate_limits",
    "previous_item_id",
    "name",
    "usage",
)
_GA_FATAL = {
    "invalid_api_key": "invalid_api_key",
    "account_deactivated": "account_deactivated",
    "authentication_error": "authentication_error",
    "insufficient_quota": "insufficient_quota",
    "credit_balance_exhausted": "credit_balance_exhausted",
    "billing_hard_limit_reached": "billing_hard_limit_reached",
    "missing_model": "missing_model",
    "invalid_model": "invalid_model",
    "model_not_found": "model_not_found",
    "beta_api_shape_disabled": "beta_api_shape_disabled",
}
_GA_NOT_FATAL = (
    "rate_limit_exceeded",
    "inference_rate_limit_exceeded",
    "cannot_update_voice",
    "session_expired",
    "server_error",
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "unknown_parameter",
    "a_code_nobody_knows",
)

OPENAI_GA = Subject(
    name="OpenAI Realtime",
    serve=lambda: tone_server(pace=Pace(first_delta_ms=1000, speed=2.0), max_sessions=64),
    service=_ga_service,
    unknown=json.dumps({"type": "voicepipe.unknown", "event_id": "e"}),
    bare=tuple(json.dumps({"type": type_}) for type_ in _GA_TYPES),
    ill_typed=tuple(
        json.dumps({"type": type_, **dict.fromkeys(_GA_FIELDS, value)})
        for type_ in _GA_TYPES
        for value in (5, None, [], {"id": 5})
        # An error says something of itself, whatever it looks like.
        if type_ != "error"
    ),
    errors={
        **{code: (_ga_error(code, "invalid_request_error"), named) for code, named in _GA_FATAL.items()},
        **{code: (_ga_error(code, "invalid_request_error"), None) for code in _GA_NOT_FATAL},
    },
    ended_response=_ga_ended_response,
)

SUBJECTS = (OPENAI_GA,)
