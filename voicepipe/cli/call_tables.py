"""Records of calls as a person or a program reads them: tables and lines for a terminal, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from voicepipe.plain_words import one_line
from voicepipe.telemetry.records import StoredCall

Row = Mapping[str, Any]

_FORMULA = re.compile(r"[\t\r\n]|\s*([=@]|[+-](?!\d+\Z))")
"""How a text begins that a spreadsheet would take for a formula; a telephone number is none."""
_EVENTS = {"keys_sent": "sent", "guardrail": "blocked", "refusal": "refused"}
"""How the kinds of events are called in a line, where not by their own names."""


def table_of(rows: Sequence[Row]) -> Table:
    """Return calls as a table, in the order given."""
    table = Table(box=None, pad_edge=False)
    for name in ("call", "started", "length", "turns", "cost", "end", "from", "model"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            row["id"][:12],
            f"{row['started_at']:%Y-%m-%d %H:%M:%S}",
            _length(row["call_secs"]),
            str(row["turn_count"]),
            cost_of(row),
            row["end_reason"] or row["status"],
            one_line(row["caller"] or ""),
            row["model"] or "",
        )
    return table


def cost_of(row: Row) -> str:
    """Return what a call cost: `at least` where a part has no price, and nothing where nothing was counted."""
    if row["cost_total"] is not None:
        return _dollars(row["cost_total"])
    return f"at least {_dollars(row['cost_known'])}" if row["cost_known"] is not None else ""


def lines_of(call: StoredCall) -> Iterator[Text]:
    """Return a call line by line."""
    row = call.call
    yield Text(f"call {row['id']}", style="bold")
    for name, value in _facts(row):
        if value:
            yield Text.assemble((f"{name:>10}  ", "dim"), value)
    yield Text()
    events = [(turn["started_ms"], _turn_lines(turn)) for turn in call.turns]
    events += [(tool["started_ms"], [_tool_line(tool)]) for tool in call.tools]
    events += [(fault["at_ms"], [_line(fault["at_ms"], "oops", fault["message"])]) for fault in call.faults]
    events += [(event["at_ms"], [_event_line(event)]) for event in call.events]
    for _, lines in sorted(events, key=lambda event: event[0]):
        yield from lines
    if call.usage:
        yield Text()
    for used in call.usage:
        yield Text.assemble(
            (f"{used['amount']:>10g}  ", "dim"), f"{used['kind']} ({used['model'] or 'no model'})"
        )


def json_of(value: Any) -> str:
    """Return rows as JSON: money and moments as texts, so that nothing of them is lost."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False)


def csv_of_calls(rows: Sequence[Row]) -> str:
    """Return calls as CSV, one a row."""
    return _csv(rows)


def csv_of_turns(calls: Iterable[StoredCall]) -> str:
    """Return the turns of calls as CSV, one a row."""
    return _csv([turn for call in calls for turn in call.turns])


def csv_of_events(calls: Iterable[StoredCall]) -> str:
    """Return the events of calls as CSV, one a row: keys, blocked words, transfers, refusals."""
    return _csv([event for call in calls for event in call.events])


def _facts(row: Row) -> list[tuple[str, str]]:
    ended = " ".join(filter(None, [row["end_reason"] or row["status"], row["end_detail"]]))
    parts = [
        f"{part} {_dollars(row[f'cost_{part}'])}"
        for part in ("llm", "stt", "tts", "telephony")
        if row[f"cost_{part}"]
    ]
    return [
        ("started", f"{row['started_at']:%Y-%m-%d %H:%M:%S %Z}"),
        ("length", _length(row["call_secs"])),
        ("ended", ended),
        ("from", one_line(row["caller"] or "")),
        ("to", one_line(row["called"] or "")),
        ("engine", " ".join(filter(None, [row["engine"], row["model"]]))),
        ("cost", " = ".join(filter(None, [cost_of(row), " + ".join(parts)]))),
    ]


def _turn_lines(turn: Row) -> list[Text]:
    lines: list[Text] = []
    if turn["user_text"]:
        lines.append(_line(turn["started_ms"], "user", turn["user_text"]))
    if turn["bot_text"]:
        at_ms = turn["bot_started_ms"] if turn["bot_started_ms"] is not None else turn["started_ms"]
        line = _line(at_ms, "bot", turn["bot_text"])
        if turn["latency_ms"] is not None:
            line.append(f"  ({turn['latency_ms']:.0f} ms)", style="dim")
        lines.append(line)
        if turn["is_interrupted"] and turn["heard_text"] is not None:
            lines.append(_line(turn["bot_stopped_ms"] or at_ms, "heard", turn["heard_text"] or "nothing"))
    return lines


def _tool_line(tool: Row) -> Text:
    result = "" if tool["status"] == "running" else f" = {json.dumps(tool['result'], ensure_ascii=False)}"
    arguments = json.dumps(tool["arguments"], ensure_ascii=False)
    ending = tool["status"] if tool["status"] == "cancelled" else result
    return _line(tool["started_ms"], "tool", f"{tool['name']}({arguments}) {ending}")


def _event_line(event: Row) -> Text:
    detail = f" ({event['detail']})" if event["detail"] else ""
    return _line(event["at_ms"], _EVENTS.get(event["kind"]) or str(event["kind"]), event["text"] + detail)


def _line(at_ms: float, who: str, text: str) -> Text:
    return Text.assemble((f"{at_ms / 1000:8.1f} s  {who:<8} ", "dim"), one_line(text, len(text)))


def _length(secs: float | None) -> str:
    return "" if secs is None else f"{int(secs) // 60}:{int(secs) % 60:02}"


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}"


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _csv(rows: Sequence[Row]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])
    return file.getvalue()


def _cell(value: Any) -> str | int | float | None:
    if isinstance(value, Mapping | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) else value
    return value if value is None or isinstance(value, int | float) else _plain(value)
