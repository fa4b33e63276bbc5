"""What the doctor found, for a person and for a program."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.json import JSON
from rich.markup import escape
from rich.table import Table

from voicepipe.cli.doctor.findings import Findings, Status

_MARKS: Final[dict[Status, str]] = {
    "ok": "[green]ok[/green]",
    "warning": "[yellow]warning[/yellow]",
    "failed": "[red]failed[/red]",
}


def show(findings: Findings, console: Console) -> None:
    """Print a table of what was looked at, and what would be sent."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in findings.checks:
        table.add_row(_MARKS[check.status], escape(check.what), escape(check.detail))
    console.print(table)
    for sent in findings.sends:
        console.print(f"\n{escape(sent.service)} would send first:", highlight=False)
        for message in sent.messages:
            console.print(JSON.from_data(message, indent=2))
    failed = sum(check.status == "failed" for check in findings.checks)
    console.print(f"\n[red]{failed} failed[/red]" if failed else "\n[green]Nothing failed.[/green]")


def as_json(findings: Findings) -> str:
    """Return all of it as JSON: `ok`, `style`, `checks`, `sends`."""
    return json.dumps({"ok": findings.ok, **asdict(findings)}, indent=2, ensure_ascii=False)
