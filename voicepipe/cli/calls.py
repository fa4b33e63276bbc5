"""`voicepipe calls list | show | export`: the records of calls, read. The output is made in `voicepipe.cli.call_tables`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from voicepipe.cli.exits import EXPECTED, fail
from voicepipe.cli.log import set_log

if TYPE_CHECKING:
    from voicepipe.telemetry.records import RecordReader

T = TypeVar("T")

app = typer.Typer(name="calls", help="The records of calls.", no_args_is_help=True)


@app.callback()
def begin() -> None:
    """The records of calls."""
    set_log(verbose=False)


class Status(StrEnum):
    """How far a call is."""

    OPEN = "open"
    ENDED = "ended"
    ABANDONED = "abandoned"


class Format(StrEnum):
    """What an export is written as."""

    JSON = "json"
    CSV = "csv"


class What(StrEnum):
    """What a row of a CSV file is."""

    CALLS = "calls"
    TURNS = "turns"
    EVENTS = "events"


Where = Annotated[
    str | None,
    typer.Option(
        "--records",
        help="A file or a URL; else what VOICEPIPE_RECORDS says, or ~/.voicepipe/calls.sqlite.",
        show_default=False,
    ),
]


@app.command("list")
def list_calls(
    records: Where = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    status: Annotated[Status | None, typer.Option(help="Only calls that are so.")] = None,
) -> None:
    """List calls with their length, turns, cost and end."""
    from voicepipe.cli.call_tables import table_of

    rows = _read(records, lambda reader: reader.calls(limit=limit, status=status))
    console = Console()
    console.print(table_of(rows) if rows else "No calls.")


@app.command()
def show(
    call_id: Annotated[str, typer.Argument(help="The call's id, or as much of its beginning as is clear.")],
    records: Where = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show one call: what was said, heard and pressed, tools, transfers, refusals, times, usage, cost, end."""
    from voicepipe.cli.call_tables import json_of, lines_of

    call = _read(records, lambda reader: reader.call(call_id))
    if as_json:
        sys.stdout.write(json_of(call.as_dict()) + "\n")
        return
    console = Console()
    for line in lines_of(call):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def export(
    records: Where = None,
    format_: Annotated[Format, typer.Option("--format", help="JSON holds everything.")] = Format.JSON,
    what: Annotated[What, typer.Option(help="What a row of a CSV file is.")] = What.CALLS,
    out: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many calls, the newest first.")] = None,
) -> None:
    """Write calls as JSON or CSV."""
    from voicepipe.cli.call_tables import csv_of_calls, csv_of_events, csv_of_turns, json_of

    async def read(reader: RecordReader) -> str:
        rows = await reader.calls(limit=limit)
        if format_ is Format.CSV and what is What.CALLS:
            return csv_of_calls(rows)
        calls = [await reader.call(row["id"]) for row in rows]
        if format_ is Format.CSV:
            return csv_of_turns(calls) if what is What.TURNS else csv_of_events(calls)
        return json_of([call.as_dict() for call in calls]) + "\n"

    text = _read(records, read)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except EXPECTED as error:
        fail(error)


def _read(records: str | None, question: Callable[[RecordReader], Awaitable[T]]) -> T:
    """Ask a reader; what a person can do something about is said in one line."""

    async def ask() -> T:
        from voicepipe.telemetry.records import RecordReader

        async with RecordReader.open(records) as reader:
            return await question(reader)

    try:
        return asyncio.run(ask())
    except EXPECTED as error:
        fail(error)
