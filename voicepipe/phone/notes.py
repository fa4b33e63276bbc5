"""What is written down of a call while it goes on, and told to its observers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from loguru import logger
from pipecat.metrics.metrics import MetricsData

from voicepipe.frames import FunctionCallResultFrame
from voicepipe.phone.diary import Diary
from voicepipe.phone.guardrails import Speaker
from voicepipe.phone.hooks import Audience
from voicepipe.phone.numbers import without_numbers
from voicepipe.phone.results import ToolUse, Turn
from voicepipe.plain_words import one_line

if TYPE_CHECKING:
    from voicepipe.phone.call import Call


class Notes:
    """The `Listener` of one call.

    Args:
        call: The call.
        audience: Who is told.
        diary: What is written down of it besides what was said.
    """

    def __init__(self, call: Call, audience: Audience, diary: Diary) -> None:
        self.turns: list[Turn] = []
        """What was said so far."""
        self._call = call
        self._audience = audience
        self._diary = diary
        self._began_secs = 0.0

    def begin(self) -> None:
        """The call's time begins here."""
        self._began_secs = asyncio.get_running_loop().time()

    @property
    def now_secs(self) -> float:
        """How long the call has lasted."""
        return asyncio.get_running_loop().time() - self._began_secs

    def said(self, speaker: Speaker, text: str, *, is_interrupted: bool = False) -> None:
        """Somebody said something."""
        self._diary.keys_end()
        role = "user" if speaker == "user" else "assistant"
        self._add(Turn(role, text, self.now_secs * 1000, is_interrupted))

    def pressed(self, key: str) -> None:
        """The caller pressed a key."""
        self._diary.pressed(key)
        self._add(Turn("user", f"[DTMF: {key}]", self.now_secs * 1000))

    def blocked(self, guardrail: str, speaker: Speaker) -> None:
        """A guardrail blocked somebody's words."""
        self._diary.blocked(guardrail, speaker)
        self.erred(f"guardrail {guardrail}: blocked")

    def used(self, frame: FunctionCallResultFrame) -> None:
        """A function gave its result."""
        use = ToolUse(frame.function_name, frame.arguments, frame.result, self.now_secs * 1000)
        self._audience.tell(lambda observer: observer.tool(self._call, use))

    def measured(self, metrics: MetricsData) -> None:
        """A service reported usage or a latency."""
        self._audience.tell(lambda observer: observer.usage(self._call, metrics))

    def erred(self, message: str) -> None:
        """Something went wrong."""
        logger.warning(f"call {self._call.id}: {one_line(without_numbers(message))}")
        self._audience.tell(lambda observer: observer.error(self._call, message))

    def _add(self, turn: Turn) -> None:
        self.turns.append(turn)
        self._audience.tell(lambda observer: observer.turn(self._call, turn))
