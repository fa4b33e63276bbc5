"""Which of the API's errors end a session, and what they are about (protocol page, section 12; promise P-15).

A code that is not listed is a refusal of one message: the session goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicepipe.realtime.events import Failure, FailureKind

_FATAL: Mapping[str, FailureKind] = {
    "invalid_api_key": "authentication",
    "account_deactivated": "authentication",
    "authentication_error": "authentication",
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "billing_hard_limit_reached": "quota",
    "missing_model": "model",
    "invalid_model": "model",
    "model_not_found": "model",
    "beta_api_shape_disabled": "protocol",
}
_NOT_FATAL: Mapping[str, FailureKind] = {
    "rate_limit_exceeded": "rate_limit",
    "inference_rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "cannot_update_voice": "settings",
    # The connection closes, and the conversation goes on over another one.
    "session_expired": "expired",
    "server_error": "server",
}


def failure_of(error: Mapping[str, Any]) -> Failure:
    """Return what an `error` object of the API means.

    Args:
        error: The object of an `error` event or of a response's `status_details.error`; its `code` or, where that
            is missing, its `type` decides.
    """
    code = str(error.get("code") or "")
    type_ = str(error.get("type") or "")
    message = str(error.get("message") or code or type_ or "the server gave no reason")
    field = str(error.get("param") or "")
    for word in (code, type_):
        if word in _FATAL:
            return Failure(_FATAL[word], message, code or type_, fatal=True, field=field)
    for word in (code, type_):
        if word in _NOT_FATAL:
            return Failure(_NOT_FATAL[word], message, code or type_, field=field)
    kind: FailureKind = "settings" if field.startswith("session") else "request"
    return Failure(kind, message, code or type_, field=field)
