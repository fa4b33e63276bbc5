"""The log as JSON, a line for each message, with the id of the call that it is about: for whatever collects logs.

voicepipe and Pipecat log with loguru; this is a sink for it. Which call a message is about follows from the task that logs
it: all tasks that are started within `in_call` belong to the call.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, TextIO

import orjson
from loguru import logger

from voicepipe.telemetry.plain import plain
from voicepipe.telemetry.recording.masking import Masking

if TYPE_CHECKING:
    from loguru import Message

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}(?!\d)")
"""A telephone number in E.164."""
_SHOWN: Final = 4
_LINE_ENDS: Final = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
"""JSON lets these stand as they are, and some readers of lines take them for the end of one."""


@dataclass(frozen=True, slots=True)
class _CallNames:
    call_id: str
    carrier_call_id: Callable[[], str]


_names: ContextVar[_CallNames | None] = ContextVar("voicepipe_call", default=None)


@contextmanager
def in_call(call_id: str, carrier_call_id: Callable[[], str] | str = "") -> Generator[None]:
    """Have what is logged within it, and by all tasks that are started within it, be about a call.

    So is what `asyncio.to_thread` runs there. A `threading.Thread` of one's own knows of no call.

        with in_call("call-1"):
            await run(pipeline)

    Args:
        call_id: Our id of the call.
        carrier_call_id: The carrier's, or what returns it once it is known.
    """
    carrier = carrier_call_id if callable(carrier_call_id) else lambda: carrier_call_id
    token = _names.set(_CallNames(call_id, carrier))
    try:
        yield
    finally:
        _names.reset(token)


def log_json(
    stream: TextIO | None = None, *, level: str = "INFO", masking: Masking | None = None, alone: bool = True
) -> int:
    """Write the log as JSON lines; returns loguru's number of the sink, for `logger.remove`.

    A line has `time` (UTC), `level`, `message`, `where`; `call` and `carrier_call` where it is about one; `extra` with
    what was bound; `exception` with `type`, `message` and `traceback`, without the values of variables.

    Args:
        stream: Where to; standard error without it.
        level: The least level that is written.
        masking: What is taken out of texts. Of telephone numbers only the last four digits are left in any case.
        alone: Whether it takes the place of all other sinks, which mask nothing.
    """
    if alone:
        logger.remove()
    write = _JsonLines(sys.stderr if stream is None else stream, masking or Masking())
    return logger.add(write, level=level, format="{message}", backtrace=False, diagnose=False, catch=True)


class _JsonLines:
    """Writes lines. Loguru calls it in the task that logs, one message after the other."""

    def __init__(self, stream: TextIO, masking: Masking) -> None:
        self._stream = stream
        self._matcher = masking.matcher()

    def __call__(self, message: Message) -> None:
        self._stream.write(self._line(message.record))
        self._stream.flush()

    def _line(self, record: Any) -> str:
        names = _names.get()
        line: dict[str, Any] = {
            "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
            "level": record["level"].name,
            "message": record["message"],
            "where": f"{record['name']}:{record['function']}:{record['line']}",
        }
        if record["extra"]:
            line["extra"] = record["extra"]
        if record["exception"] is not None:
            line["exception"] = _exception(record["exception"])
        masked = self._plain(line)
        if names is not None:
            # Ids are made by machines; what looks like a card number in one is none.
            masked["call"] = names.call_id
            if carrier_call_id := names.carrier_call_id():
                masked["carrier_call"] = carrier_call_id
        text = orjson.dumps(masked).decode()
        for end, escaped in _LINE_ENDS.items():
            text = text.replace(end, escaped)
        return text + "\n"

    def _plain(self, line: dict[str, Any]) -> dict[str, Any]:
        time = line.pop("time")
        return {"time": time, **self._matcher.value(_without_numbers(plain(line)))}


def _without_numbers(value: Any) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda found: f"***{found[0][-_SHOWN:]}", value)
    if isinstance(value, dict):
        return {name: _without_numbers(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_without_numbers(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _exception(raised: Any) -> dict[str, str]:
    kind, error, trace = raised
    return {
        "type": getattr(kind, "__name__", str(kind)),
        "message": str(error),
        "traceback": "".join(traceback.format_exception(kind, error, trace)),
    }
