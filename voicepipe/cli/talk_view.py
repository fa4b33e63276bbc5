"""A conversation through the microphone as one sees it in the terminal: captions, a level meter, latencies, cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.observer import CallNotes
from voicepipe.telemetry.plain import plain

_BAR: Final = 24
_EVERY_SECS: Final = 0.05
_SHOWN_TURNS: Final = 8
"""What is older has scrolled away; a terminal's live area can be no taller than the terminal."""


class TalkView:
    """A sink for `CallObserver` that draws; use it as a context manager around the conversation.

    Args:
        console: Where to.
        is_local: Whether what it would cost is not charged.
        clock: Seconds on any clock, for not drawing too often.
    """

    def __init__(
        self, console: Console, *, is_local: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notes = CallNotes()
        self._level = 0.0
        self._is_local = is_local
        self._clock = clock
        self._drawn_secs = -1.0
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> TalkView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._level = 0.0
        self._live.update(self.drawn(), refresh=True)
        self._live.stop()

    def turn(self, turn: Turn) -> None:
        """Take a turn as it is now."""
        self._notes.turn(turn)
        self._draw()

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function as it is now."""
        self._notes.tool(tool)
        self._draw()

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        self._notes.fault(fault)
        self._draw()

    def account(self, account: Account) -> None:
        """Take what the call used and what that costs, as it is now."""
        self._notes.account(account)
        self._draw()

    def level(self, level: float) -> None:
        """Take how loud the user is, 0 to 1; it falls slower than it rises, as meters do."""
        self._level = max(level, self._level * 0.85)
        self._draw()

    def drawn(self) -> Group:
        """Return all of it as it is now."""
        lines: list[Text] = []
        for turn in self._notes.turns[-_SHOWN_TURNS:]:
            lines += [line for line in (_user(turn), *self._tools(turn), _bot(turn)) if line is not None]
        lines += [Text.assemble(("oops  ", "bold red"), fault.message) for fault in self._notes.faults[-3:]]
        return Group(*lines, self._footer())

    def _draw(self) -> None:
        now_secs = self._clock()
        if now_secs - self._drawn_secs >= _EVERY_SECS:
            self._drawn_secs = now_secs
            self._live.update(self.drawn(), refresh=True)

    def _tools(self, turn: Turn) -> list[Text]:
        return [_tool(tool) for tool in self._notes.tools if tool.turn_index == turn.index]

    def _footer(self) -> Text:
        full = round(self._level * _BAR)
        text = Text.assemble(("mic   ", "bold"), ("█" * full, "cyan"), ("░" * (_BAR - full), "dim"))
        latencies = sorted(turn.latency_ms for turn in self._notes.turns if turn.latency_ms is not None)
        if latencies:
            median = latencies[(len(latencies) - 1) // 2]
            text.append(f"  answers after {median:.0f} ms (median)", style="dim")
        account = self._notes.last_account
        if account is not None and account.cost.total is not None:
            text.append(f"  {'would be ' if self._is_local else ''}${account.cost.total:.4f}", style="dim")
        return text


def _user(turn: Turn) -> Text | None:
    if not turn.user_text:
        return None
    words = (turn.user_text, "" if turn.user_is_final else "italic")
    return Text.assemble(("you   ", "bold cyan"), words)


def _tool(tool: ToolRun) -> Text:
    text = Text.assemble(
        ("tool  ", "magenta"), f"{tool.name}({json.dumps(tool.arguments, ensure_ascii=False)})"
    )
    if tool.status == "done":
        text.append(f" = {json.dumps(plain(tool.result), ensure_ascii=False)}")
    return text.append(f"  [{tool.status}]", style="dim") if tool.status != "done" else text


def _bot(turn: Turn) -> Text | None:
    if not turn.bot_text:
        return None
    heard = turn.bot_text if turn.heard_text is None else turn.heard_text
    text = Text.assemble(("bot   ", "bold green"), heard, (turn.bot_text[len(heard) :], "dim strike"))
    if turn.is_interrupted:
        text.append("  [interrupted]", style="yellow")
    if turn.latency_ms is not None:
        text.append(f"  ({turn.latency_ms:.0f} ms)", style="dim")
    return text
