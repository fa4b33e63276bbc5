"""Lines that several commands print."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape


def tell_file(console: Console, path: Path, what: str) -> None:
    """Say that a file was written, and what is in it."""
    told = f"  {escape(str(path))}  [dim]{escape(what)}[/dim]"
    console.print(told, soft_wrap=True, highlight=False)


def tell_breaking_off(console: Console, why: str) -> None:
    """Say that a conversation broke off; `why` is what a server or a bot said of it."""
    console.print(f"[red]The conversation broke off:[/red] {escape(why)}", soft_wrap=True)
