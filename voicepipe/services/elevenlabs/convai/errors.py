"""Which of the API's errors and closes end a conversation, and what they are about (protocol page, sections 4 and 6; P-15).

The server closes after most errors. What is not listed as fatal is followed by another connection, over which the
conversation goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from voicepipe.errors import FailureKind
from voicepipe.realtime.events import Failure

Fate: TypeAlias = Literal["over", "refused", "lost"]
"""What a close means: the conversation is over, as it may be; it cannot go on; only the connection is gone."""

OVER: Final = frozenset({"max_duration_exceeded"})
"""Error types that announce an end which is nobody's fault."""

_FATAL: Final[Mapping[str, FailureKind]] = {
    "override_error": "settings",
    "missing_dynamic_variable": "settings",
    "missing_dynamic_variable_transfer": "settings",
    "missing_fields": "settings",
    "value_error": "settings",
    "safety_violation": "request",
}
_NOT_FATAL: Final[Mapping[str, FailureKind]] = {
    "invalid_message": "request",
    "telephony_agent_error": "server",
    "mcp_tool_error": "server",
    "mcp_https_error": "server",
    "websocket_disconnect": "connection",
    "llm_timeout": "server",
    "transport_receive_timeout": "connection",
    "asyncio_timeout": "server",
    "http_exception": "server",
    "llm_error": "server",
    "custom_llm_error": "server",
    "cascade_brain_error": "server",
    "asr_transcription_error": "server",
    "vad_error": "server",
    "turn_probability_error": "server",
    "tts_cascade_error": "server",
    "redis_timeout_error": "server",
    "unknown_websocket_crash": "server",
    "unknown": "server",
}
_FATAL_CODES: Final[Mapping[int, FailureKind]] = {
    1003: "protocol",
    1007: "protocol",
    1008: "request",
    1009: "protocol",
    3000: "authentication",
    3003: "authentication",
    4001: "authentication",
}
"""Closes after which another try would end in the same way. 1002 is both a bad message and no credit: its reason decides."""
_OF_REASON: Final[tuple[tuple[str, FailureKind], ...]] = (
    (r"quota|credit|billing|payment", "quota"),
    (r"api.?key|authori[sz]|authenticat|signed.?url|token|allowlist", "authentication"),
    (r"overrid|dynamic variable|extra_body|client_data", "settings"),
    (r"no agent|agent.*(not found|does not exist|unknown)|agent_id", "model"),
)
"""What the words of a refusal are about, the first that fits; nothing else tells."""


def failure_of(error: Mapping[str, Any], *, has_begun: bool) -> Failure:
    """Return what an `error` event means.

    Args:
        error: Its payload, or the event itself where the fields are flat.
        has_begun: Whether the conversation had begun; before that, a message of ours that is refused will be refused again.
    """
    code = str(error.get("error_type") or "")
    message = _message(error)
    if _is_about(message) == "quota":
        return Failure("quota", message, code or "quota", fatal=True)
    if code in _FATAL:
        field = _FIELDS.get(code, "")
        return Failure(_FATAL[code], _advised(message, code), code, fatal=True, field=field)
    kind = _NOT_FATAL.get(code, "server")
    return Failure(kind, message, code, fatal=code == "invalid_message" and not has_begun)


_FIELDS: Final[Mapping[str, str]] = {
    "override_error": "overrides",
    "missing_dynamic_variable": "dynamic_variables",
    "missing_dynamic_variable_transfer": "dynamic_variables",
}


def fate_of(code: int, reason: str) -> tuple[Fate, Failure | None]:
    """Return what the server's close means, and the failure if it ends the conversation.

    Args:
        code: The close code; 1006 if there was no close frame.
        reason: The server's words, in many cases the only explanation there is.
    """
    if code == 1000:
        return "over", None
    about = _is_about(reason)
    kind = _FATAL_CODES.get(code)
    if about == "quota" or kind is not None:
        words = f"the server closed the conversation (code {code}: {reason or 'no reason given'})"
        return "refused", Failure(about or kind or "quota", _advised(words), str(code), fatal=True)
    return "lost", None


def _is_about(words: str) -> FailureKind | None:
    return next((kind for pattern, kind in _OF_REASON if re.search(pattern, words, re.IGNORECASE)), None)


def _message(error: Mapping[str, Any]) -> str:
    for name in ("message", "reason", "debug_message", "error_type"):
        if error.get(name):
            return str(error[name])
    return f"code {error['code']}, and no reason" if error.get("code") else "the server gave no reason"


def _advised(words: str, code: str = "") -> str:
    """Return what is said of a refusal, with what to do about a refused override, which the server does not say."""
    if code != "override_error" and not re.search(r"overrid", words, re.IGNORECASE):
        return words
    return f"{words.rstrip('.')}: allow it in the agent's security settings at ElevenLabs, or do not give it"
