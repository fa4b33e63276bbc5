"""Lines of the wire as the server sends them, in GA words or the beta's, and a session that has been through its start."""

from __future__ import annotations

import base64
import json
from itertools import count
from typing import Any

from tests.support.wires import dialect, read, spelled
from voicepipe.realtime.events import Happening, Output, Send
from voicepipe.services.openai.realtime import OpenAIRealtimeSession, SessionProperties

_numbers = count(1)


def line(type_: str, **fields: Any) -> bytes:
    return json.dumps(spelled({"type": type_, "event_id": f"event_{next(_numbers)}", **fields})).encode()


def created() -> bytes:
    return line("session.created", session={"id": "sess_1", "type": "realtime", "expires_at": 1_700_000_000})


def updated() -> bytes:
    return line("session.updated", session={"id": "sess_1", "type": "realtime"})


def speech_started(item_id: str = "item_u1") -> bytes:
    return line("input_audio_buffer.speech_started", audio_start_ms=100, item_id=item_id)


def speech_stopped(item_id: str = "item_u1") -> bytes:
    return line("input_audio_buffer.speech_stopped", audio_end_ms=900, item_id=item_id)


def response_created(response_id: str = "resp_1", conversation_id: str | None = "conv_1") -> bytes:
    response = {"id": response_id, "status": "in_progress", "conversation_id": conversation_id}
    return line("response.created", response=response)


def audio_delta(ms: int, response_id: str = "resp_1", item_id: str = "item_b1") -> bytes:
    delta = base64.b64encode(bytes(48 * ms)).decode()
    ids = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    return line("response.output_audio.delta", **ids, delta=delta)


def words_delta(text: str, response_id: str = "resp_1", item_id: str = "item_b1") -> bytes:
    ids = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    return line("response.output_audio_transcript.delta", **ids, delta=text)


def item_done(item_id: str = "item_b1") -> bytes:
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": []}
    return line("conversation.item.done", item=item, previous_item_id=None)


def item_added(item_id: str, type_: str = "function_call_output") -> bytes:
    return line("conversation.item.added", item={"id": item_id, "type": type_}, previous_item_id=None)


def response_done(response_id: str = "resp_1", status: str = "completed", **fields: Any) -> bytes:
    return line("response.done", response={"id": response_id, "status": status, **fields})


def arguments_done(call_id: str, name: str, arguments: str, response_id: str = "resp_1") -> bytes:
    return line(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id=f"item_{call_id}",
        output_index=0,
        call_id=call_id,
        name=name,
        arguments=arguments,
    )


def error(code: str, event_id: str | None = None, **fields: Any) -> bytes:
    return line(
        "error", error={"type": "invalid_request_error", "code": code, "event_id": event_id, **fields}
    )


def new_session(properties: SessionProperties | None = None, **options: Any) -> OpenAIRealtimeSession:
    return OpenAIRealtimeSession(properties, dialect=dialect(), **options)


def ready_session(properties: SessionProperties | None = None) -> OpenAIRealtimeSession:
    session = new_session(properties)
    session.open()
    session.receive(created())
    session.receive(updated())
    return session


def sent(outputs: list[Output]) -> list[dict[str, Any]]:
    return [read(json.loads(output.message)) for output in outputs if isinstance(output, Send)]


def happened(outputs: list[Output]) -> list[Happening]:
    return [output for output in outputs if not isinstance(output, Send)]
