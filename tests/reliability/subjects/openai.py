"""OpenAI's two wires under test: the same events and errors, under other names."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.reliability.subjects.subject import WEATHER, Event, Subject, Tool
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
from voicepipe.services.openai_realtime_beta import InputAudioTranscription as BetaTranscription
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.services.openai_realtime_beta import SessionProperties as BetaProperties

_PACE = Pace(first_delta_ms=1000, speed=2.0)


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


def _beta_service(url: str, tool: Tool) -> RealtimeService:
    llm = OpenAIRealtimeBetaLLMService(
        api_key="k",
        base_url=url,
        wire="beta",
        session_properties=BetaProperties(tools=[WEATHER], input_audio_transcription=BetaTranscription()),
    )
    llm.register_function("get_weather", tool)
    return llm


def _error(code: str, type_: str) -> str:
    error = {"type": type_, "code": code, "message": f"This is {code}.", "param": None, "event_id": None}
    return json.dumps({"type": "error", "event_id": "event_trouble", "error": error})


def _ended_response(message: str | bytes, status: str, reason: str) -> str | bytes:
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
_FIELDS = (
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
_FATAL = {
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
_NOT_FATAL = (
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

_BETA_NAMES = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_BETA_TYPES = tuple(dict.fromkeys(_BETA_NAMES.get(type_, type_) for type_ in _GA_TYPES))


def _bare(types: Sequence[str]) -> tuple[str, ...]:
    return tuple(json.dumps({"type": type_}) for type_ in types)


def _ill_typed(types: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        json.dumps({"type": type_, **dict.fromkeys(_FIELDS, value)})
        for type_ in types
        for value in (5, None, [], {"id": 5})
        # An error says something of itself, whatever it looks like.
        if type_ != "error"
    )


_ERRORS = {
    **{code: (_error(code, "invalid_request_error"), named) for code, named in _FATAL.items()},
    **{code: (_error(code, "invalid_request_error"), None) for code in _NOT_FATAL},
}
_UNKNOWN = json.dumps({"type": "voicepipe.unknown", "event_id": "e"})

OPENAI_GA = Subject(
    name="OpenAI Realtime",
    serve=lambda: tone_server(pace=_PACE, max_sessions=64),
    service=_ga_service,
    sample_rate=24000,
    unknown=_UNKNOWN,
    bare=_bare(_GA_TYPES),
    ill_typed=_ill_typed(_GA_TYPES),
    errors=_ERRORS,
    ended_response=_ended_response,
)

OPENAI_BETA = Subject(
    name="OpenAI Realtime, beta wire",
    serve=lambda: tone_server(wire="beta", pace=_PACE, max_sessions=64),
    service=_beta_service,
    sample_rate=24000,
    unknown=_UNKNOWN,
    bare=_bare(_BETA_TYPES),
    ill_typed=_ill_typed(_BETA_TYPES),
    errors=_ERRORS,
    # So a server refuses the beta's wire altogether.
    refusing={4000: "code 4000"},
    ended_response=_ended_response,
)
