"""Client messages of the ElevenLabs wire as JSON texts (protocol page, sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import orjson

from voicepipe.quick_base64 import encoded
from voicepipe.realtime.events import Send
from voicepipe.realtime.settings import plain
from voicepipe.services.elevenlabs.convai.events import ConversationSettings

_CHUNK_HEAD = b'{"user_audio_chunk":"'
_CHUNK_TAIL = b'"}'


def audio(sound: bytes) -> Send:
    """Return the message that holds sound of the user, in the agent's input format; the one that has no type."""
    return Send(b"".join((_CHUNK_HEAD, encoded(sound), _CHUNK_TAIL)), droppable=True)


def message(type_: str, **fields: Any) -> Send:
    """Return a message, without the fields that are None."""
    kept = {name: value for name, value in fields.items() if value is not None}
    return Send(orjson.dumps({"type": type_, **kept}))


def initiation(
    settings: ConversationSettings, *, source: Mapping[str, str], first_message: str | None
) -> Send:
    """Return the first message of a conversation; it holds only what was given.

    Args:
        settings: What the conversation is begun with.
        source: Who begins it.
        first_message: What is overridden in place of the settings' first message; None leaves it as it is.
    """
    overrides = given(plain(settings.overrides))
    if first_message is not None:
        overrides["agent"] = {**overrides.get("agent", {}), "first_message": first_message}
    return message(
        "conversation_initiation_client_data",
        conversation_config_override=overrides or None,
        dynamic_variables=settings.dynamic_variables or None,
        custom_llm_extra_body=settings.custom_llm_extra_body,
        user_id=settings.user_id,
        tool_mock_config=given(plain(settings.tool_mock_config)) if settings.tool_mock_config else None,
        source_info=source,
    )


def pong(event_id: int) -> Send:
    """Return the answer to a ping."""
    return message("pong", event_id=event_id)


def contextual_update(text: str, context_id: str | None = None) -> Send:
    """Return what the agent is to know and not to answer."""
    return message("contextual_update", text=text, context_id=context_id)


def user_message(text: str) -> Send:
    """Return a turn of the user in writing."""
    return message("user_message", text=text)


def multimodal_message(text: str, file_ids: Sequence[str]) -> Send:
    """Return a turn of the user in writing and in files that were uploaded before."""
    words = {"type": "user_message", "text": text} if text else None
    files = [{"type": "file_input", "file_id": file_id} for file_id in file_ids]
    if len(files) == 1:
        return message("multimodal_message", text=words, file=files[0])
    return message("multimodal_message", text=words, files=files)


def tool_result(call_id: str, result: str, *, is_error: bool) -> Send:
    """Return the result of a client tool."""
    return message("client_tool_result", tool_call_id=call_id, result=result, is_error=is_error)


def mcp_approval(call_id: str, *, approve: bool) -> Send:
    """Return the answer to a call that awaits approval."""
    return message("mcp_tool_approval_result", tool_call_id=call_id, is_approved=approve)


def feedback(event_id: int, score: Literal["like", "dislike"] | None) -> Send:
    """Return what the user thinks of a reply; None takes it back."""
    return Send(orjson.dumps({"type": "feedback", "event_id": event_id, "score": score}))


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they go out: without what is None and without groups of which nothing is left."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        kept = given(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
        if kept is not None and kept != {}:
            found[name] = kept
    return found
