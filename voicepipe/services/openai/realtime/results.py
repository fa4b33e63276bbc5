"""Reading what a response or a transcription ended with: status, reasons, tokens (protocol page, section 10.4).

The server is known to leave fields out and to send a bare string for `status_details`, so everything is read with care:
a response must be seen to end, whatever its last event looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from voicepipe.realtime.events import (
    Output,
    ResponseFinished,
    ResponseStatus,
    TranscriptionUsage,
    Usage,
)
from voicepipe.services.openai.realtime.errors import failure_of

_STATUSES: Mapping[str, ResponseStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "failed": "failed",
}


def finished_response(response: Mapping[str, Any], calls: tuple[str, ...]) -> list[Output]:
    """Return the end of a response and, if it failed with an error, the failure."""
    status = _STATUSES.get(str(response.get("status")), "failed")
    raw = response.get("status_details")
    details = _mapping(raw)
    reason = raw if isinstance(raw, str) else str(details.get("reason") or "")
    outputs: list[Output] = [
        ResponseFinished(str(response["id"]), status, reason, _usage(response.get("usage")), calls)
    ]
    if status == "failed":
        outputs.append(failure_of(_mapping(details.get("error")) or {"message": reason}))
    return outputs


def transcription_usage(item_id: str, usage: Any) -> TranscriptionUsage | None:
    """Return what a transcription cost: seconds or tokens, as its model is billed."""
    values = _mapping(usage)
    if values.get("type") == "duration":
        return TranscriptionUsage(item_id, seconds=float(values.get("seconds") or 0.0))
    if values.get("type") == "tokens":
        return TranscriptionUsage(
            item_id,
            input_tokens=_count(values, "input_tokens"),
            output_tokens=_count(values, "output_tokens"),
        )
    return None


def _usage(usage: Any) -> Usage | None:
    values = _mapping(usage)
    if not values:
        return None
    taken, given = _mapping(values.get("input_token_details")), _mapping(values.get("output_token_details"))
    cached = _mapping(taken.get("cached_tokens_details"))
    return Usage(
        input_tokens=_count(values, "input_tokens"),
        output_tokens=_count(values, "output_tokens"),
        total_tokens=_count(values, "total_tokens"),
        input_text_tokens=_count(taken, "text_tokens"),
        input_audio_tokens=_count(taken, "audio_tokens"),
        input_image_tokens=_count(taken, "image_tokens"),
        cached_tokens=_count(taken, "cached_tokens"),
        cached_text_tokens=_count(cached, "text_tokens"),
        cached_audio_tokens=_count(cached, "audio_tokens"),
        output_text_tokens=_count(given, "text_tokens"),
        output_audio_tokens=_count(given, "audio_tokens"),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return int(value) if isinstance(value, int | float) else 0
