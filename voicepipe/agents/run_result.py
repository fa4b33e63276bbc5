"""What came of one turn in writing: `await session.run(user_input=...)`, and the words in which a test asks about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeAlias

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import LLMService

from voicepipe.agents.agent import Agent
from voicepipe.agents.history import AgentHandoff, ChatItem, ChatMessage, FunctionCall, FunctionCallOutput
from voicepipe.errors import VoicepipeError

EventType: TypeAlias = Literal["message", "function_call", "function_call_output", "agent_handoff"]
_JUDGE: Final = (
    "You judge whether a message does what it is meant to do. Answer with the word PASS or FAIL, and after it why, in one "
    "sentence.\n\nThe message is meant to do this: {intent}\n\nThe message: {text}"
)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that the agent said or did.

    Parameters:
        item: What the history has of it.
        new_agent: Who took over, for a hand-over.
    """

    item: ChatItem
    new_agent: Agent | None = None

    @property
    def type(self) -> EventType:
        """What it is."""
        return self.item.type

    def __str__(self) -> str:
        return f"{self.type}: {self.item}"


class RunResult:
    """A turn, which can be awaited; after that it has what the agent said and did.

        result = await session.run(user_input="Where is order 42?")
        result.expect.next_event().is_function_call(name="lookup_order", arguments={"order_id": "42"})
        result.expect.next_event(type="message").is_message(role="assistant")
        result.expect.no_more_events()

    Args:
        turn: Runs the turn and returns its events.
    """

    def __init__(self, turn: Callable[[], Generator[Any, None, list[RunEvent]]]) -> None:
        self._turn = turn
        self._expect: RunAssert | None = None

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait for the end of the turn; returns the result itself.

        Raises:
            VoicepipeError: Nothing was said, or the session ended.
        """
        if self._expect is None:
            self._expect = RunAssert((yield from self._turn()))
        return self

    def done(self) -> bool:
        """Whether it was awaited to its end."""
        return self._expect is not None

    @property
    def events(self) -> list[RunEvent]:
        """What the agent said and did, in the order of the conversation.

        Raises:
            VoicepipeError: The turn is not over.
        """
        return list(self.expect.events)

    @property
    def expect(self) -> RunAssert:
        """Asks about the events, one after the other.

        Raises:
            VoicepipeError: The turn is not over.
        """
        if self._expect is None:
            raise VoicepipeError("the turn is not over: await what `run` returned")
        return self._expect


class RunAssert:
    """Asks about the events of a turn; each question that goes unanswered is an `AssertionError` that shows all of them.

    Args:
        events: The events.
    """

    def __init__(self, events: Sequence[RunEvent]) -> None:
        self.events = tuple(events)
        self._next = 0

    def next_event(self, *, type: EventType | None = None) -> EventAssert:
        """Return the next event; with a type, the next of that type."""
        for place in range(self._next, len(self.events)):
            if type is None or self.events[place].type == type:
                self._next = place + 1
                return self[place]
        raise self._failed(f"there is no further {type or 'event'}", self._next)

    def skip_next(self, count: int = 1) -> Self:
        """Leave events out."""
        if self._next + count > len(self.events):
            raise self._failed(f"there are no {count} further events", self._next)
        self._next += count
        return self

    def skip_next_event_if(self, *, type: EventType) -> EventAssert | None:
        """Leave the next event out and return it, if it is of this type."""
        is_next = self._next < len(self.events) and self.events[self._next].type == type
        return self.next_event() if is_next else None

    def no_more_events(self) -> None:
        """Nothing is left."""
        if self._next < len(self.events):
            raise self._failed("there are further events", self._next)

    def contains_message(self, *, role: str | None = None) -> EventAssert:
        """Return the first message, of somebody."""
        return self._first(lambda event: event.is_message(role=role))

    def contains_function_call(
        self, *, name: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> EventAssert:
        """Return the first call of a function; of `arguments`, those that are given are compared."""
        return self._first(lambda event: event.is_function_call(name=name, arguments=arguments))

    def contains_function_call_output(
        self, *, output: str | None = None, is_error: bool | None = None
    ) -> EventAssert:
        """Return the first output of a function."""
        return self._first(lambda event: event.is_function_call_output(output=output, is_error=is_error))

    def contains_agent_handoff(self, *, new_agent_type: type[Agent] | None = None) -> EventAssert:
        """Return the first hand-over."""
        return self._first(lambda event: event.is_agent_handoff(new_agent_type=new_agent_type))

    def __getitem__(self, place: int) -> EventAssert:
        """Return an event by its number."""
        try:
            event = self.events[place]
        except IndexError:
            raise self._failed(f"there is no event {place}", place) from None
        return EventAssert(event, lambda why: self._failed(why, place))

    def _first(self, asks: Callable[[EventAssert], EventAssert]) -> EventAssert:
        why = AssertionError("there are no events")
        for place in range(len(self.events)):
            try:
                return asks(self[place])
            except AssertionError as error:
                why = error
        raise why

    def _failed(self, why: str, place: int) -> AssertionError:
        lines = [f"{'>' if at == place else ' '} {at}: {event}" for at, event in enumerate(self.events)]
        return AssertionError("\n".join([why, *(lines or ["  there are no events"])]))


class EventAssert:
    """Asks about one event.

    Args:
        event: The event.
        failed: Makes the error.
    """

    def __init__(self, event: RunEvent, failed: Callable[[str], AssertionError]) -> None:
        self.event = event
        self._failed = failed

    def is_message(self, *, role: str | None = None) -> Self:
        """It is a message, of somebody."""
        item = self.event.item
        self._check(isinstance(item, ChatMessage), "is no message")
        self._check(role is None or (isinstance(item, ChatMessage) and item.role == role), f"is not {role}'s")
        return self

    def is_function_call(
        self, *, name: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> Self:
        """It is a call of a function; of `arguments`, those that are given are compared."""
        item = self.event.item
        if not isinstance(item, FunctionCall):
            raise self._failed("is no call of a function")
        self._check(name is None or item.name == name, f"is no call of {name}")
        made = json.loads(item.arguments or "{}")
        for key, value in (arguments or {}).items():
            self._check(key in made and made[key] == value, f"{key} is not {value!r}")
        return self

    def is_function_call_output(self, *, output: str | None = None, is_error: bool | None = None) -> Self:
        """It is what a function gave."""
        item = self.event.item
        if not isinstance(item, FunctionCallOutput):
            raise self._failed("is no output of a function")
        self._check(output is None or item.output == output, f"is not {output!r}")
        self._check(is_error is None or item.is_error == is_error, f"is_error is {item.is_error}")
        return self

    def is_agent_handoff(self, *, new_agent_type: type[Agent] | None = None) -> Self:
        """It is a hand-over."""
        self._check(isinstance(self.event.item, AgentHandoff), "is no hand-over")
        is_it = new_agent_type is None or isinstance(self.event.new_agent, new_agent_type)
        self._check(is_it, f"does not hand over to a {new_agent_type and new_agent_type.__name__}")
        return self

    async def judge(self, llm: LLMService[Any], *, intent: str) -> Self:
        """Have a language model judge whether a message does what it is meant to do.

        Args:
            llm: A service of Pipecat's that implements `run_inference`; realtime services do not.
            intent: What the message is meant to do, e.g. "asks for the number of the order".
        """
        self.is_message()
        item = self.event.item
        text = (item.text_content if isinstance(item, ChatMessage) else None) or ""
        context = LLMContext([{"role": "user", "content": _JUDGE.format(intent=intent, text=text)}])
        verdict = (await llm.run_inference(context) or "").strip()
        self._check(verdict.upper().startswith("PASS"), f"does not do what it is meant to: {verdict}")
        return self

    def _check(self, is_so: bool, why: str) -> None:
        if not is_so:
            raise self._failed(why)
