"""Reading what a response or a transcription ended with: status, reasons, tokens (protocol page, section 10.4).

The server is known to leave fields out and to send a bare string for `status_details`, so everything is read with care:
a response must be seen to end, whatever its last event looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from voicepipe.realtime.events import Failure, ResponseStatus, TranscriptionUsage, Usage
from voicepipe.services.openai.realtime.errors import failure_of

_STATUSES: Mapping[str, ResponseStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True)
class End:
    """How a response ended."""

    status: ResponseStatus
    reason: str
    usage: Usage | None
    failure: Failure | None


def end_of(response: Mapping[str, Any]) -> End:
    """Return how a response ended, and the failure if it was one."""
    status = _STATUSES.get(str(response.get("status")), "failed")
    raw = response.get("status_details")
    details = mapping(raw)
    reason = raw if isinstance(raw, str) else str(details.get("reason") or "")
    error = mapping(details.get("error")) or {"message": reason}
    failure = failure_of(error) if status == "failed" else None
    return End(status, reason, _usage(response.get("usage")), failure)


def transcription_usage(item_id: str, usage: Any, model: str | None = None) -> TranscriptionUsage | None:
    """Return what a transcription cost: seconds or tokens, as its model is billed."""
    values = mapping(usage)
    if values.get("type") == "duration":
        seconds = values.get("seconds")
        counted = float(seconds) if isinstance(seconds, int | float) else 0.0
        return TranscriptionUsage(item_id, seconds=counted, model=model)
    if values.get("type") == "tokens":
        return TranscriptionUsage(
            item_id,
            input_tokens=count(values, "input_tokens"),
            output_tokens=count(values, "output_tokens"),
            model=model,
        )
    return None


def _usage(usage: Any) -> Usage | None:
    values = mapping(usage)
    if not values:
        return None
    taken, given = mapping(values.get("input_token_details")), mapping(values.get("output_token_details"))
    cached = mapping(taken.get("cached_tokens_details"))
    return Usage(
        input_tokens=count(values, "input_tokens"),
        output_tokens=count(values, "output_tokens"),
        total_tokens=count(values, "total_tokens"),
        input_text_tokens=count(taken, "text_tokens"),
        input_audio_tokens=count(taken, "audio_tokens"),
        input_image_tokens=count(taken, "image_tokens"),
        cached_tokens=count(taken, "cached_tokens"),
        cached_text_tokens=count(cached, "text_tokens"),
        cached_audio_tokens=count(cached, "audio_tokens"),
        output_text_tokens=count(given, "text_tokens"),
        output_audio_tokens=count(given, "audio_tokens"),
        cached_image_tokens=count(cached, "image_tokens"),
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value if it is a mapping, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def mappings(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return those of the values in a list that are mappings."""
    values = cast("list[Any]", value) if isinstance(value, list) else []
    return tuple(mapping(one) for one in values if isinstance(one, Mapping))


def count(values: Mapping[str, Any], name: str) -> int:
    """Return a number that the server counted; 0 if it did not, or says something else than a number."""
    value = values.get(name)
    return int(value) if isinstance(value, int | float) else 0
