"""Lines of the ElevenLabs wire as the server sends them, and a session that has been through its start."""

from __future__ import annotations

import base64
import json
from typing import Any

from voicepipe.realtime.events import Happening, Output, Send
from voicepipe.services.elevenlabs.convai import ConversationSettings, ElevenLabsConvAISession


def line(type_: str, **fields: Any) -> bytes:
    return json.dumps({"type": type_, **fields}).encode()


def metadata(out: str = "pcm_16000", into: str = "pcm_16000", conversation_id: str = "conv_1") -> bytes:
    event = {
        "conversation_id": conversation_id,
        "agent_output_audio_format": out,
        "user_input_audio_format": into,
    }
    return line(
        "conversation_initiation_metadata",
        conversation_initiation_metadata_event=event,
    )


def audio(event_id: int, ms: int = 100, *, is_final: bool | None = None, rate: int = 16000) -> bytes:
    event: dict[str, Any] = {
        "audio_base_64": base64.b64encode(bytes(2 * rate * ms // 1000)).decode(),
        "event_id": event_id,
    }
    if is_final is not None:
        event["is_final"] = is_final
    return line("audio", audio_event=event)


def agent_says(text: str, event_id: int) -> bytes:
    return line("agent_response", agent_response_event={"agent_response": text, "event_id": event_id})


def part(kind: str, text: str, event_id: int) -> bytes:
    return line(
        "agent_chat_response_part", text_response_part={"type": kind, "text": text, "event_id": event_id}
    )


def complete(event_id: int) -> bytes:
    return line("agent_response_complete", agent_response_complete_event={"event_id": event_id})


def corrected(original: str, text: str, event_id: int) -> bytes:
    event = {
        "original_agent_response": original,
        "corrected_agent_response": text,
        "event_id": event_id,
    }
    return line("agent_response_correction", agent_response_correction_event=event)


def user_says(text: str, event_id: int) -> bytes:
    return line("user_transcript", user_transcription_event={"user_transcript": text, "event_id": event_id})


def user_may_say(text: str, event_id: int) -> bytes:
    event = {"user_transcript": text, "event_id": event_id}
    return line("tentative_user_transcript", tentative_user_transcription_event=event)


def interruption(event_id: int) -> bytes:
    return line("interruption", interruption_event={"event_id": event_id})


def tool_call(call_id: str, name: str, event_id: int, **fields: Any) -> bytes:
    call = {"tool_name": name, "tool_call_id": call_id, "parameters": {}, "event_id": event_id, **fields}
    return line("client_tool_call", client_tool_call=call)


def failed(error_type: str | None, message: str, code: int = 1008) -> bytes:
    return line("error", error_event={"code": code, "error_type": error_type, "message": message})


def ready_session(settings: ConversationSettings | None = None, **options: Any) -> ElevenLabsConvAISession:
    session = ElevenLabsConvAISession(settings, **options)
    session.open()
    session.receive(metadata())
    return session


def sent(outputs: list[Output]) -> list[dict[str, Any]]:
    return [json.loads(output.message) for output in outputs if isinstance(output, Send)]


def happened(outputs: list[Output]) -> list[Happening]:
    return [output for output in outputs if not isinstance(output, Send)]


def given(session: ElevenLabsConvAISession, *lines: bytes) -> list[Output]:
    """All that follows from some lines."""
    return [output for one in lines for output in session.receive(one)]


def names(outputs: list[Output]) -> list[str]:
    """The classes of what happened, runs of sound as one."""
    found: list[str] = []
    for one in happened(outputs):
        name = type(one).__name__
        if name != "AudioChunk" or found[-1:] != [name]:
            found.append(name)
    return found
