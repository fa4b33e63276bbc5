"""A brain that follows a script: what it hears is matched with patterns, what it answers is written down.

The same conversation always gets the same answer, at once: for tests, for a first run with no key, and for showing
what a bot does. How a script is written is told in `rules`.

Instructions (and system messages) can direct it as well, which makes a change of settings visible:

- a line `answer: <text>` makes <text> the answer to everything;
- a line `greeting: <text>` makes <text> the first thing said;
- `Say exactly the following words and nothing else: <text>` in the instructions makes all that follows there the answer,
  before everything else.

System messages are not answered: what counts is what the user said last.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from pydantic import JsonValue

from voicepipe.local.brain import Call, Conversation, Message, Say, ToolResult, ToolUse, Turn
from voicepipe.local.brain.numbers import in_words
from voicepipe.local.brain.rules import Rule, Script, normalised
from voicepipe.local.brain.sentences import sentences
from voicepipe.local.brain.templates import MissingValueError, fill

__all__ = ["Script", "ScriptBrain"]

_LAST_WORDS: Final = 5
_EXACTLY: Final = re.compile(r"say exactly the following words and nothing else:", re.IGNORECASE)


class ScriptBrain:
    """Answers by a script.

    Parameters:
        script: What to answer; without one, the friendly default.
        now: Tells the time of day, for answers with the time in them.
    """

    def __init__(self, script: Script | None = None, *, now: Callable[[], datetime] = datetime.now) -> None:
        self._script = script or Script.default()
        self._now = now

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Say | Call]:
        """Yield the answer to `conversation`, a sentence or a call at a time."""
        for piece in self._answer(_Heard.of(conversation, self._now())):
            if isinstance(piece, Call):
                yield piece
                continue
            for sentence in sentences(piece):
                yield Say(sentence)

    async def aclose(self) -> None:
        """Do nothing: it holds nothing."""

    def _answer(self, heard: _Heard) -> Iterator[str | Call]:
        if answer := heard.exact_words or heard.directive("answer"):
            yield answer
        elif heard.results:
            yield from (self._about(result, heard) for result in heard.results)
        elif heard.must_call:
            yield self._required_call(heard)
        elif heard.text is None:
            yield heard.directive("greeting") or fill(self._script.greeting, heard.values)
        elif not heard.text and not heard.has_image:
            yield fill(self._script.unheard, heard.values)
        else:
            yield from self._by_rule(heard)

    def _by_rule(self, heard: _Heard) -> Iterator[str | Call]:
        found = self._matching(heard)
        if heard.has_image and not (found and found[0].when.image):
            yield fill(self._script.shown, heard.values)
        elif found is None:
            yield fill(self._script.otherwise, heard.values)
        if found is not None:
            yield from self._follow(*found, heard)

    def _follow(self, rule: Rule, values: dict[str, object], heard: _Heard) -> Iterator[str | Call]:
        calls = _calls(rule, values)
        missing = [call.name for call in calls if not heard.may_call(call.name)]
        if missing:
            yield fill(self._script.no_tool, {**values, "tool": missing[0].replace("_", " ")})
            return
        if rule.say:
            yield fill(rule.say, values)
        yield from calls

    def _matching(self, heard: _Heard) -> tuple[Rule, dict[str, object]] | None:
        """Return the first rule for what was said last, else for all that is still unanswered."""
        for text in dict.fromkeys([normalised(heard.text or ""), normalised(heard.unanswered)]):
            for rule in self._script.rules:
                groups = rule.match(text) if heard.fits(rule) else None
                if groups is not None:
                    return rule, {**heard.values, **groups}
        return None

    def _required_call(self, heard: _Heard) -> Call:
        found = self._matching(heard)
        calls = _calls(*found) if found else []
        fitting = [call for call in calls if call.name in heard.callable_tools]
        return fitting[0] if fitting else heard.first_call()

    def _about(self, done: _Done, heard: _Heard) -> str:
        """Return what to say about a tool's result."""
        values = {**heard.values, "result": done.result, "arguments": done.arguments}
        if isinstance(done.result, Mapping) and "error" in done.result:
            return fill(self._script.failure, {**values, "result": done.result["error"]})
        for rule in self._script.rules:
            if done.name not in [call.name for call in rule.call]:
                continue
            groups = rule.match(normalised(heard.text or "")) or {}
            for template in rule.then:
                try:
                    return fill(template, {**values, **groups})
                except MissingValueError:
                    continue
        return fill(self._script.result, values)


@dataclass(frozen=True, slots=True)
class _Done:
    """A tool call and what it gave."""

    name: str
    arguments: Mapping[str, Any]
    result: JsonValue


@dataclass(frozen=True, slots=True)
class _Heard:
    """What matters of a conversation to a script.

    Parameters:
        conversation: All of it.
        text: What the user said last; None if the user never said anything.
        unanswered: All that the user said since the last answer.
        results: The tool results that no answer has followed yet.
        last: The last answer, if any.
        has_image: Whether what the user said last came with an image.
        shows_images: How many images the user has shown since the last answer.
        values: What every template can use.
    """

    conversation: Conversation
    text: str | None
    unanswered: str
    results: Sequence[_Done]
    last: Message | None
    has_image: bool
    shows_images: int
    values: Mapping[str, object]

    @classmethod
    def of(cls, conversation: Conversation, now: datetime) -> _Heard:
        turns = [
            turn for turn in conversation.turns if not (isinstance(turn, Message) and turn.role == "system")
        ]
        users = [turn for turn in turns if isinstance(turn, Message) and turn.role == "user"]
        text = users[-1].text.strip() if users else None
        answers = [turn for turn in turns if isinstance(turn, Message) and turn.role == "assistant"]
        recent = _after_the_answer(turns)
        unanswered = " ".join(turn.text.strip() for turn in recent if turn.text.strip())
        images = sum(turn.images for turn in recent)
        last = answers[-1] if answers else None
        said = last.text.strip().rstrip(".,!?") if last else ""
        values = {
            "heard": unanswered.rstrip(".!? ") or (text or "").rstrip(".!? "),
            "last_answer": said or "nothing",
            "last_words": " ".join(said.split()[-_LAST_WORDS:]) or "not a word",
            "images": "an image" if images == 1 else f"{in_words(images)} images",
            "time": f"{now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}",
        }
        has_image = bool(users and users[-1].images)
        return cls(conversation, text, unanswered, _results(turns), last, has_image, images, values)

    @property
    def callable_tools(self) -> list[str]:
        """The names of the tools that may be called now."""
        choice = self.conversation.tool_choice
        if choice == "none":
            return []
        offered = [str(tool["name"]) for tool in self.conversation.tools if "name" in tool]
        if isinstance(choice, Mapping):
            return [name for name in offered if name == choice.get("name")]
        return offered

    @property
    def must_call(self) -> bool:
        choice = self.conversation.tool_choice
        return (choice == "required" or isinstance(choice, Mapping)) and bool(self.callable_tools)

    def may_call(self, name: str) -> bool:
        return name in self.callable_tools

    def first_call(self) -> Call:
        """Return a call of the first tool, with what was heard for every text it requires."""
        name = self.callable_tools[0]
        tool = next(tool for tool in self.conversation.tools if tool.get("name") == name)
        parameters: Any = tool.get("parameters")
        required: Any = cast("Mapping[str, Any]", parameters).get("required") if parameters else None
        names = cast("list[object]", required) if isinstance(required, list) else []
        return Call(name, {one: self.values["heard"] for one in names if isinstance(one, str)})

    def fits(self, rule: Rule) -> bool:
        fits_the_cut = rule.when.cut is None or (self.last is not None and rule.when.cut == self.last.cut)
        fits_the_image = rule.when.image is None or rule.when.image == bool(self.shows_images)
        return fits_the_cut and fits_the_image and (rule.when.tool is None or self.may_call(rule.when.tool))

    @property
    def exact_words(self) -> str:
        """What the instructions want said, word for word, or ""."""
        instructions = self.conversation.instructions
        ends = [found.end() for found in _EXACTLY.finditer(instructions)]
        return instructions[ends[-1] :].strip() if ends else ""

    def directive(self, name: str) -> str:
        """Return what the newest line `<name>: ...` in instructions and system messages says, or ""."""
        told = [self.conversation.instructions]
        told += [t.text for t in self.conversation.turns if isinstance(t, Message) and t.role == "system"]
        found = re.findall(rf"^[ \t]*{name}:[ \t]*(\S.*)$", "\n".join(told), re.MULTILINE | re.IGNORECASE)
        return found[-1].strip() if found else ""


def _after_the_answer(turns: Sequence[Turn]) -> list[Message]:
    """Return the user's messages at the end of `turns`."""
    found: list[Message] = []
    for turn in reversed(turns):
        if not isinstance(turn, Message) or turn.role != "user":
            break
        found.append(turn)
    return found[::-1]


def _results(turns: Sequence[Turn]) -> list[_Done]:
    """Return the tool results at the end of `turns`, calls between them notwithstanding."""
    uses = {turn.call_id: turn for turn in turns if isinstance(turn, ToolUse)}
    found: list[_Done] = []
    for turn in reversed(turns):
        if isinstance(turn, Message):
            break
        if isinstance(turn, ToolResult):
            use = uses.get(turn.call_id) or ToolUse(turn.call_id, "", {})
            found.append(_Done(use.name, use.arguments, _parsed(turn.output)))
    return found[::-1]


def _parsed(output: str) -> JsonValue:
    try:
        return json.loads(output)
    except ValueError:
        return output


def _calls(rule: Rule, values: Mapping[str, object]) -> list[Call]:
    return [
        Call(call.name, {name: _filled(value, values) for name, value in call.arguments.items()})
        for call in rule.call
    ]


def _filled(value: JsonValue, values: Mapping[str, object]) -> JsonValue:
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, dict):
        return {name: _filled(part, values) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, values) for part in value]
    return value
