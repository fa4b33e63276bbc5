"""What a Pipecat context says of functions: which were called, and what they gave.

The calls of a session are its own to know. Those of another one, as in a context that was kept, are told in words: a call
belongs to the session that made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from pipecat.processors.aggregators.async_tool_messages import parse_message

from voicepipe.realtime.context import ContextMessage, text_of
from voicepipe.realtime.history import Called, History

_IN_PROGRESS: Final = "IN_PROGRESS"
"""What Pipecat's aggregator writes for a function that runs."""


def is_of_a_call(message: Any) -> bool:
    """Whether a message calls a function, or is what one gave."""
    return bool(_fields(message).get("tool_calls")) or is_result(message)


def is_result(message: Any) -> bool:
    """Whether a message is what a function gave, or gave so far."""
    fields = _fields(message)
    return fields.get("role") == "tool" or parse_message(cast("Any", fields)) is not None


def calls_elsewhere(messages: Iterable[Any], history: History) -> dict[str, Mapping[str, Any]]:
    """Return the functions that were called according to some messages, but not by this session, by their calls' ids."""
    own = {entry.call_id for entry in history.entries() if isinstance(entry, Called)}
    found: dict[str, Mapping[str, Any]] = {}
    for message in messages:
        for call in cast("list[Any]", _fields(message).get("tool_calls") or []):
            call_id = str(_fields(call).get("id"))
            if call_id not in own:
                found[call_id] = _fields(_fields(call).get("function"))
    return found


def result_in(message: Any, calls: Mapping[str, Mapping[str, Any]]) -> ContextMessage | None:
    """Return in words what a function gave; None if the call is not one of `calls`, or the function still runs."""
    fields = _fields(message)
    parsed = parse_message(cast("Any", fields))
    if parsed is None:
        call_id, gave = str(fields.get("tool_call_id")), text_of(fields.get("content"))
    else:
        call_id, gave = parsed.tool_call_id, parsed.result if parsed.status == "finished" else None
    function = calls.get(call_id)
    if function is None or not gave or gave == _IN_PROGRESS:
        return None
    name, arguments = function.get("name"), function.get("arguments") or "{}"
    return ContextMessage("system", f"The function {name} was called with {arguments} and gave: {gave}")


def _fields(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
