"""What of a Pipecat context a session does not know yet, and where a late transcript belongs in it (promise P-16).

A context is written by aggregators (from what the session itself said) and by the application. Only what the
application wrote is news to the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard, cast

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.types import is_given

from voicepipe.realtime.context import ContextMessage, message_of
from voicepipe.realtime.context_calls import calls_elsewhere, is_of_a_call, is_result, result_in
from voicepipe.realtime.history import Entry, History, Said

_REMEMBERED_IMAGES: Final = 16
"""Images that an aggregator may yet write into the context."""


class ContextSync:
    """Follows one context."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        self._turns: list[tuple[str, str]] = []
        self._shown: deque[str] = deque(maxlen=_REMEMBERED_IMAGES)
        self._tools: ToolsSchema | None = None
        self._tool_choice: Any = None

    def saw(self, messages: Iterable[Any]) -> None:
        """Take note of messages that the session has been told already."""
        for message in messages:
            # The message itself is kept as well, so that no other one can get its number.
            self._seen[id(message)] = message

    def turn_written(self, role: str, text: str) -> None:
        """Take note that an aggregator wrote a turn into the context, from what went through the pipeline."""
        self._turns.append((role, text))

    def shown(self, text: str) -> None:
        """Take note that the session was shown an image with its words, which an aggregator will write down."""
        self._shown.append(text)

    def news(self, context: LLMContext, history: History) -> list[ContextMessage]:
        """Return the messages that the session has to be told, oldest first; after this they are known.

        Args:
            context: The context.
            history: What the session said and heard itself.
        """
        answers = [entry.text for entry in history.entries() if _is_answer(entry)]
        messages = cast("list[Any]", context.get_messages())
        calls = calls_elsewhere(messages, history)
        found: list[ContextMessage] = []
        for message in messages:
            if id(message) in self._seen:
                continue
            self.saw([message])
            written = result_in(message, calls) if is_result(message) else message_of(message)
            if written is None or self._was_shown(written):
                continue
            if self._is_turn(written) or _is_one_of(written, answers):
                continue
            found.append(written)
        return found

    def last_user_turn(self) -> str | None:
        """Return the user's turn that an aggregator wrote since `forget_turns`: the context says it, and wants nothing."""
        return next((text for role, text in reversed(self._turns) if role == "user"), None)

    def forget_turns(self) -> None:
        """Forget the turns that were written; the context with them has been seen."""
        self._turns.clear()

    def new_tools(self, context: LLMContext) -> ToolsSchema | None:
        """Return the context's tools if they are others than when this was asked last."""
        tools = context.tools
        if not isinstance(tools, ToolsSchema) or tools is self._tools:
            return None
        self._tools = tools
        return tools

    def new_tool_choice(self, context: LLMContext) -> Any:
        """Return the context's tool choice if it is another one than when this was asked last, else None."""
        choice = context.tool_choice
        if not is_given(choice) or choice == self._tool_choice:
            return None
        self._tool_choice = choice
        return choice

    def _was_shown(self, message: ContextMessage) -> bool:
        if not message.images or message.text not in self._shown:
            return False
        self._shown.remove(message.text)
        return True

    def _is_turn(self, message: ContextMessage) -> bool:
        known = (message.role, message.text.strip())
        return any((role, text.strip()) == known for role, text in self._turns)


def _is_answer(entry: Entry) -> TypeGuard[Said]:
    return isinstance(entry, Said) and entry.role == "assistant"


def _is_one_of(message: ContextMessage, answers: list[str]) -> bool:
    """Whether a message is an answer of the session's, of which an aggregator may have written down more or less."""
    text = message.text.strip()
    known = (answer.strip() for answer in answers)
    is_answer = message.role == "assistant" and bool(text)
    return is_answer and any(text.startswith(a) or a.startswith(text) for a in known)


def put_in_order(context: LLMContext, history: History, text: str) -> bool:
    """Move a message of the user's before the answers to it, if it was written after them.

    Args:
        context: The context; of several messages with these words it is the newest.
        history: The conversation in the order of its items.
        text: The words of the message.

    Returns:
        Whether it had to be moved.
    """
    messages = cast("list[Any]", context.get_messages())
    at = _newest_of_user(messages, text)
    if at is None:
        return False
    place = _before_answers(messages, at, _answers_after(history, text))
    if place == at:
        return False
    context.set_messages([*messages[:place], messages[at], *messages[place:at], *messages[at + 1 :]])
    return True


def _newest_of_user(messages: Sequence[Any], text: str) -> int | None:
    """Return the place of the newest message of the user's with these words."""
    places = reversed(range(len(messages)))
    return next((at for at in places if _role(messages[at]) == "user" and _text(messages[at]) == text), None)


def _before_answers(messages: Sequence[Any], at: int, answers: list[str]) -> int:
    """Return the place before the answers, and the function calls that led to them, that stand right before a place."""
    place = at
    for before in range(at - 1, -1, -1):
        message = messages[before]
        if _role(message) == "assistant" and _is_one_of(ContextMessage("assistant", _text(message)), answers):
            place = before
        elif not is_of_a_call(message):
            break
    while 0 < place < at and is_of_a_call(messages[place - 1]):
        place -= 1
    return place


def _answers_after(history: History, text: str) -> list[str]:
    """Return the answers behind the newest item of the user's whose words are the last of `text`."""
    answers: list[str] = []
    for entry in reversed(history.entries()):
        if _is_answer(entry):
            answers.append(entry.text)
        elif isinstance(entry, Said) and entry.role == "user" and text.strip().endswith(entry.text.strip()):
            return answers
    return []


def _role(message: Any) -> str:
    return str(cast("Mapping[str, Any]", message).get("role")) if isinstance(message, Mapping) else ""


def _text(message: Any) -> str:
    written = message_of(message)
    return written.text if written else ""
