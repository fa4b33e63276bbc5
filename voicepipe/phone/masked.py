"""What is said in a call, and what functions are called with, on its way into the record: masked as the phone has it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from voicepipe.telemetry.calls import CallSink, Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.recording.masking import MASK, Matcher

_GROWING_DIGITS: Final = re.compile(r"(?<![A-Za-z0-9_])\d(?:[\s,.\-]{0,3}\d){6,}[\s,.\-]{0,3}\Z")
"""Seven digits or more at the end of a text that goes on: they may become a card's number."""


class MaskedSink(CallSink):
    """Passes on what it is told, masked.

    Args:
        sink: Where it goes.
        matcher: Finds what must not be written.
    """

    def __init__(self, sink: CallSink, matcher: Matcher) -> None:
        self._sink = sink
        self._matcher = matcher

    def turn(self, turn: Turn) -> None:
        """Pass a turn on; what it says is held back where it may become a card's number."""
        is_said = turn.bot_stopped_ms is not None or turn.is_interrupted
        heard = turn.heard_text
        shown = replace(
            turn,
            user_text=self._shown(turn.user_text, may_go_on=not turn.user_is_final),
            bot_text=self._shown(turn.bot_text, may_go_on=not is_said),
            # Cut in the midst of a number, it has a part of what is masked as a whole beside it.
            heard_text=None if heard is None else self._shown(heard, may_go_on=True),
        )
        self._sink.turn(shown)

    def tool(self, tool: ToolRun) -> None:
        """Pass a call of a function on."""
        arguments, result = self._matcher.value(tool.arguments), self._matcher.value(tool.result)
        self._sink.tool(replace(tool, arguments=arguments, result=result))

    def fault(self, fault: Fault) -> None:
        """Pass an error on."""
        self._sink.fault(replace(fault, message=self._matcher.text(fault.message)))

    def account(self, account: Account) -> None:
        """Pass the account on."""
        self._sink.account(account)

    def _shown(self, text: str, *, may_go_on: bool) -> str:
        shown = self._matcher.text(text)
        return _GROWING_DIGITS.sub(MASK, shown) if may_go_on else shown
