"""ElevenLabs' wire under test (protocol page, sections 4 and 6)."""

from __future__ import annotations

import json

from tests.reliability.subjects.subject import WEATHER, Event, Subject, Tool
from voicepipe.local import Pace
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs import Agent, ClientTool, LocalElevenLabsServer
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS
from voicepipe.local.speech.engines import speech_engine
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService

_AGENT = Agent(
    "agent_1",
    tools=[ClientTool(WEATHER["name"], WEATHER["description"], WEATHER["parameters"])],
    # Without it a turn of the user's is noticed only when it is over.
    client_events=[*DEFAULT_EVENTS, "tentative_user_transcript"],
)


def _server() -> LocalElevenLabsServer:
    return LocalElevenLabsServer(
        [_AGENT],
        speech=speech_engine("tones"),
        brain=ScriptBrain(Script.default()),
        pace=Pace(first_delta_ms=1000, speed=2.0),
        max_sessions=64,
    )


def _service(url: str, tool: Tool) -> RealtimeService:
    # A signed URL would lead past whatever stands between the two.
    llm = ElevenLabsConvAIService(api_key="k", agent_id=_AGENT.agent_id, base_url=url, use_signed_url=False)
    llm.register_function(WEATHER["name"], tool)
    return llm


_PAYLOADS = {
    "conversation_initiation_metadata": "conversation_initiation_metadata_event",
    "asr_initiation_metadata": "asr_initiation_metadata_event",
    "ping": "ping_event",
    "audio": "audio_event",
    "user_transcript": "user_transcription_event",
    "tentative_user_transcript": "tentative_user_transcription_event",
    "agent_response": "agent_response_event",
    "agent_response_correction": "agent_response_correction_event",
    "agent_response_complete": "agent_response_complete_event",
    "agent_response_metadata": "agent_response_metadata_event",
    "agent_chat_response_part": "text_response_part",
    "agent_reasoning_response_part": "reasoning_response_part",
    "interruption": "interruption_event",
    "client_tool_call": "client_tool_call",
    "agent_tool_request": "agent_tool_request",
    "agent_tool_response": "agent_tool_response",
    "agent_tool_response_full_payload": "agent_tool_response_full_payload",
    "mcp_tool_call": "mcp_tool_call",
    "mcp_connection_status": "mcp_connection_status",
    "vad_score": "vad_score_event",
    "context_usage": "context_usage_event",
    "guardrail_triggered": "guardrail_triggered",
    "internal_tentative_agent_response": "tentative_agent_response_internal_event",
    "internal_turn_probability": "turn_probability_internal_event",
    "dtmf_request": "dtmf_request",
    "rich_content": "rich_content",
    "agent_typing": "agent_typing_event",
    "external_agent_connected": "external_agent_connected",
    "external_agent_disconnected": "external_agent_disconnected",
    "client_error": "client_error_event",
    "error": "error_event",
}
_FIELDS = (
    "event_id",
    "audio_base_64",
    "user_transcript",
    "agent_response",
    "original_agent_response",
    "corrected_agent_response",
    "user_input_audio_format",
    "tool_call_id",
    "tool_name",
    "parameters",
    "state",
    "integrations",
    "text",
    "type",
    "is_final",
)


def _ill_typed() -> list[Event]:
    return [
        {"type": type_, key: inner}
        for type_, key in _PAYLOADS.items()
        for value in (5, None, [], {"id": 5})
        for inner in (value, dict.fromkeys(_FIELDS, value))
        # An error says something of itself, whatever it looks like.
        if type_ != "error"
    ]


_CODES = {
    "override_error": "This is override_error",
    "missing_dynamic_variable": "This is missing_dynamic_variable",
    "missing_dynamic_variable_transfer": "This is missing_dynamic_variable_transfer",
    "missing_fields": "This is missing_fields",
    "value_error": "This is value_error",
    "safety_violation": "This is safety_violation",
    "unknown": None,
    "invalid_message": None,
    "telephony_agent_error": None,
    "mcp_tool_error": None,
    "mcp_https_error": None,
    "websocket_disconnect": None,
    "llm_timeout": None,
    "transport_receive_timeout": None,
    "asyncio_timeout": None,
    "http_exception": None,
    "max_duration_exceeded": None,
    "llm_error": None,
    "custom_llm_error": None,
    "cascade_brain_error": None,
    "asr_transcription_error": None,
    "vad_error": None,
    "turn_probability_error": None,
    "tts_cascade_error": None,
    "redis_timeout_error": None,
    "unknown_websocket_crash": None,
    "a_code_nobody_knows": None,
}
_QUOTA = "received 1002 (protocol error) This request exceeds your quota limit."


def _error(code: str) -> str:
    return json.dumps(
        {"type": "error", "error_event": {"code": 1011, "error_type": code, "message": f"This is {code}."}}
    )


ELEVENLABS = Subject(
    name="ElevenLabs",
    serve=_server,
    service=_service,
    sample_rate=16000,
    unknown=json.dumps({"type": "voicepipe_unknown", "voicepipe_unknown_event": {"event_id": 1}}),
    bare=tuple(json.dumps({"type": type_}) for type_ in _PAYLOADS),
    ill_typed=tuple(json.dumps(event) for event in _ill_typed()),
    errors={
        **{code: (_error(code), named) for code, named in _CODES.items()},
        "no credit": (json.dumps({"type": "error", "message": _QUOTA}), "quota"),
    },
    # 1000 is how an agent hangs up.
    fatal_closes={1000: "a reason", **{code: f"code {code}" for code in (1003, 1007, 1008, 1009, 3000)}},
    # What it is told first is what it would be told again.
    refusing={"invalid_message": "This is invalid_message"},
)
