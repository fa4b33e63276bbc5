"""A conversation as one can read it: who said what and when, which functions were called, how long each answer took.

`Conversation` is filled by `ConversationObserver` from the frames of a pipeline; times are milliseconds since its start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.telemetry.plain import plain


@dataclass(slots=True)
class Line:
    """One line of a conversation.

    Parameters:
        who: Who it is about.
        at_ms: When it began.
        text: The words so far, or what a function was called with and gave.
        done: Whether nothing more will come.
        cut: Whether a barge-in cut it.
        latency_ms: Of an answer: from the end of the user's turn, as the server heard it, to the first sound played.
    """

    who: Literal["user", "bot", "tool", "error"]
    at_ms: float
    text: str = ""
    done: bool = False
    cut: bool = False
    latency_ms: float | None = None


@dataclass
class Conversation:
    """The lines of a conversation, in the order in which they began."""

    lines: list[Line] = field(default_factory=list[Line])

    def as_json(self, **about: Any) -> str:
        """Return the conversation as JSON, with whatever else is to be noted about it."""
        return json.dumps(
            {**about, "lines": [asdict(line) for line in self.lines]}, indent=2, ensure_ascii=False
        )

    def said_by(self, who: Literal["user", "bot", "tool", "error"]) -> list[Line]:
        """Return the lines of one party."""
        return [line for line in self.lines if line.who == who]


class ConversationObserver(FirstHopObserver):
    """Writes a conversation down while it happens.

    Args:
        conversation: Where to.
        changed: Called after each change.
    """

    def __init__(self, conversation: Conversation, changed: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._conversation = conversation
        self._changed = changed or (lambda: None)
        self._user: Line | None = None
        self._user_said = ""
        self._bot: Line | None = None
        self._calls: dict[str, Line] = {}
        self._turn_ended_ms: float | None = None

    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether a frame is about the conversation."""
        return frame_type in self._WRITERS

    def observed(self, frame: Frame, at_ms: float) -> None:
        """Write down what a frame means."""
        self._WRITERS[type(frame)](self, frame, at_ms)
        self._changed()

    def _add(self, line: Line) -> Line:
        self._conversation.lines.append(line)
        return line

    def _user_started(self, _frame: Frame, at_ms: float) -> None:
        if self._user is None or self._user.done or self._turn_ended_ms is not None:
            self._user, self._user_said = self._add(Line("user", at_ms)), ""
        self._turn_ended_ms = None

    def _user_stopped(self, _frame: Frame, at_ms: float) -> None:
        self._turn_ended_ms = at_ms

    def _user_words(self, frame: TranscriptionFrame | InterimTranscriptionFrame, at_ms: float) -> None:
        line = self._user or self._add(Line("user", at_ms))
        self._user = line
        # A turn may come in several pieces, each of them final.
        line.text = f"{self._user_said} {frame.text.strip()}".strip()
        line.done = isinstance(frame, TranscriptionFrame)
        if line.done:
            self._user_said = line.text

    def _response_started(self, _frame: Frame, _at_ms: float) -> None:
        self._bot = None

    def _bot_words(self, frame: LLMTextFrame, at_ms: float) -> None:
        if self._bot is None:
            self._bot = self._add(Line("bot", at_ms))
        self._bot.text += frame.text

    def _response_ended(self, _frame: Frame, _at_ms: float) -> None:
        if self._bot is not None:
            self._bot.done = True
            self._bot.text = self._bot.text.strip()

    def _bot_heard(self, _frame: Frame, at_ms: float) -> None:
        if self._bot is not None and self._turn_ended_ms is not None:
            self._bot.latency_ms = round(at_ms - self._turn_ended_ms, 1)
            self._turn_ended_ms = None

    def _interrupted(self, _frame: Frame, _at_ms: float) -> None:
        if self._bot is not None and not self._bot.done:
            self._bot.cut = True
            self._bot.done = True
        self._bot = None

    def _called(self, frame: FunctionCallInProgressFrame, at_ms: float) -> None:
        call = f"{frame.function_name}({_arguments(frame.arguments)})"
        self._calls[frame.tool_call_id] = self._add(Line("tool", at_ms, call))

    def _returned(self, frame: FunctionCallResultFrame, _at_ms: float) -> None:
        line = self._calls.pop(frame.tool_call_id, None)
        if line is not None:
            line.text += f" = {json.dumps(plain(frame.result), ensure_ascii=False)}"
            line.done = True

    def _failed(self, frame: ErrorFrame, at_ms: float) -> None:
        self._add(Line("error", at_ms, frame.error, done=True))

    _WRITERS: Mapping[type[Frame], Callable[[Any, Any, float], None]] = {
        UserStartedSpeakingFrame: _user_started,
        UserStoppedSpeakingFrame: _user_stopped,
        TranscriptionFrame: _user_words,
        InterimTranscriptionFrame: _user_words,
        LLMFullResponseStartFrame: _response_started,
        LLMTextFrame: _bot_words,
        LLMFullResponseEndFrame: _response_ended,
        BotStartedSpeakingFrame: _bot_heard,
        InterruptionFrame: _interrupted,
        FunctionCallInProgressFrame: _called,
        FunctionCallResultFrame: _returned,
        ErrorFrame: _failed,
    }


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, Mapping):
        pairs = cast("Mapping[str, Any]", arguments)
        return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in pairs.items())
    return str(arguments)
