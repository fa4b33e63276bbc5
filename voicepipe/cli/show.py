"""A conversation on the terminal, as it happens."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from voicepipe.cli.conversation import Conversation, Line

_LOOKS = {
    "user": ("you ", "bold cyan"),
    "bot": ("bot ", "bold green"),
    "tool": ("tool", "magenta"),
    "error": ("oops", "bold red"),
}


class ConversationView:
    """Draws a conversation again whenever it changed; where there is no terminal, once at the end.

    Use it as a context manager around the conversation.
    """

    def __init__(self, conversation: Conversation, console: Console | None = None) -> None:
        self._conversation = conversation
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)

    def __enter__(self) -> ConversationView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refresh()
        self._live.stop()

    def refresh(self) -> None:
        """Draw it as it is now."""
        lines = [_drawn(line) for line in self._conversation.lines if line.text]
        self._live.update(Group(*lines), refresh=True)


def _drawn(line: Line) -> Text:
    label, style = _LOOKS[line.who]
    text = Text.assemble((f"{line.at_ms / 1000:6.1f} s  ", "dim"), (f"{label}  ", style))
    text.append(line.text, style="" if line.done else "italic")
    if line.cut:
        text.append("  [interrupted]", style="yellow")
    if line.latency_ms is not None:
        text.append(f"  ({line.latency_ms:.0f} ms to the first sound)", style="dim")
    return text
