"""What was said and done in a session, in the order of the conversation."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Literal, Self, TypeAlias

_NUMBERS = count(1)


def _next_id() -> str:
    return f"item_{next(_NUMBERS)}"


@dataclass(slots=True, kw_only=True)
class ChatMessage:
    """Something said, as it was heard.

    Parameters:
        role: Who said it.
        content: The words, mostly one text. Empty where transcripts of the model's words were switched off.
        interrupted: Whether a barge-in cut it; `content` is what was heard by then.
        id: Unique in its session.
        created_at: Seconds since 1970.
    """

    role: Literal["developer", "system", "user", "assistant"]
    content: list[str] = field(default_factory=list[str])
    interrupted: bool = False
    id: str = field(default_factory=_next_id)
    created_at: float = field(default_factory=time.time)
    type: Literal["message"] = "message"

    @property
    def text_content(self) -> str | None:
        """The words as one text; None if there are none."""
        return "\n".join(self.content) if self.content else None

    @property
    def key(self) -> str:
        """What tells it from the other items of its session."""
        return self.id

    def __str__(self) -> str:
        return f"{self.role}: {self.text_content or ''}{' [interrupted]' if self.interrupted else ''}"


@dataclass(slots=True, kw_only=True)
class FunctionCall:
    """A function that the model called; `arguments` is a JSON text."""

    call_id: str
    name: str
    arguments: str
    id: str = field(default_factory=_next_id)
    created_at: float = field(default_factory=time.time)
    type: Literal["function_call"] = "function_call"

    @property
    def key(self) -> str:
        """What tells it from the other items of its session."""
        return f"call {self.call_id}"

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(slots=True, kw_only=True)
class FunctionCallOutput:
    """What a function gave, as the model is told it."""

    call_id: str
    name: str
    output: str
    is_error: bool = False
    reply_required: bool = True
    id: str = field(default_factory=_next_id)
    created_at: float = field(default_factory=time.time)
    type: Literal["function_call_output"] = "function_call_output"

    @property
    def key(self) -> str:
        """What tells it from the other items of its session."""
        return f"answer {self.call_id}"

    def __str__(self) -> str:
        return f"{self.name} = {self.output}"


@dataclass(slots=True, kw_only=True)
class AgentHandoff:
    """One agent took over from another; `old_agent_id` is None for the first one."""

    old_agent_id: str | None
    new_agent_id: str
    id: str = field(default_factory=_next_id)
    created_at: float = field(default_factory=time.time)
    type: Literal["agent_handoff"] = "agent_handoff"

    @property
    def key(self) -> str:
        """What tells it from the other items of its session."""
        return self.id

    def __str__(self) -> str:
        return f"{self.old_agent_id or 'nobody'} hands over to {self.new_agent_id}"


ChatItem: TypeAlias = ChatMessage | FunctionCall | FunctionCallOutput | AgentHandoff


class ChatContext:
    """The items of a session."""

    def __init__(self, items: Iterable[ChatItem] = ()) -> None:
        self.items: list[ChatItem] = list(items)

    @classmethod
    def empty(cls) -> Self:
        """Return one without items."""
        return cls()

    def messages(self) -> list[ChatMessage]:
        """Return what was said."""
        return [item for item in self.items if isinstance(item, ChatMessage)]

    def add_message(
        self, *, role: Literal["developer", "system", "user", "assistant"], content: str | list[str]
    ) -> ChatMessage:
        """Put a message at the end and return it."""
        message = ChatMessage(role=role, content=[content] if isinstance(content, str) else content)
        self.items.append(message)
        return message

    def insert(self, item: ChatItem, *, before: Iterable[str] = ()) -> None:
        """Put an item in.

        Args:
            item: The item.
            before: Keys of items it stands before, nearest first; without any that is there, it goes to the end.
        """
        places = {known.key: place for place, known in enumerate(self.items)}
        place = next((places[key] for key in before if key in places), len(self.items))
        self.items.insert(place, item)

    def get_by_id(self, item_id: str) -> ChatItem | None:
        """Return an item, or None."""
        return next((item for item in self.items if item.id == item_id), None)

    def has(self, key: str) -> bool:
        """Whether an item with this key is there."""
        return any(item.key == key for item in self.items)

    def copy(self) -> ChatContext:
        """Return a copy that does not change with this one."""
        return ChatContext(copy.deepcopy(self.items))

    def to_dict(self) -> dict[str, Any]:
        """Return the items as plain values."""
        return {"items": [asdict(item) for item in self.items]}
