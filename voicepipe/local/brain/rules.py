"""What a script holds and how it is read; `script` follows it.

A script is a YAML file (`default.yaml` is one to copy):

    greeting: Hello!
    rules:
      - hear: [what time is it, the time please]
        say: It is {time}.
      - hear: weather in {city}
        call: {name: get_weather, arguments: {city: "{title:city}"}}
        then: It is {result.temperature} degrees in {arguments.city}.
    otherwise: "I heard you say: {heard}."

`hear` holds regular expressions, searched for in what was heard, which is lower-case and without punctuation by then.
`{city}` in one stands for one or more words (at the end: for all that follow), `{n:number}` for spoken or written
numbers. Both, and named groups, can be used in `say`, `arguments` and `then`, where `{heard}`, `{last_answer}` and
`{last_words}` (the answer before, as far as it was heard, and the end of it), `{images}` (how many were shown since then:
"an image", "two images") and `{time}` are there too; `then` has `{result}` and `{arguments}`.
`{spell:name}`, `{count:name}`, `{digits:name}` and `{title:name}` change what they are given.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.local.brain import templates
from voicepipe.local.brain.numbers import NUMBER_PATTERN
from voicepipe.local.documents import Document, parsed

_ALWAYS: Final = ("heard", "last_answer", "last_words", "images", "time")
_SLOT: Final = re.compile(r"\{([a-z_]\w*)(:number)?\}")


def _as_list(value: object) -> object:
    if isinstance(value, str):
        return [value]
    return [cast(object, value)] if isinstance(value, dict) else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class When(_Part):
    """What has to be so for a rule to count.

    Parameters:
        cut: There was an answer before, and it was (true) or was not (false) cut by a barge-in.
        tool: A tool of this name is offered.
        image: The user has (true) or has not (false) shown an image since the answer before.
    """

    cut: bool | None = None
    tool: str | None = None
    image: bool | None = None


class CallTemplate(_Part):
    """A tool to call; every text in `arguments` is a template."""

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Rule(_Part):
    """Something to hear and what to do about it.

    Parameters:
        hear: Patterns; any of them will do.
        when: Conditions; without them the rule always counts.
        say: What to say (first).
        call: The tools to call; a rule that calls has an answer even if they are not offered (`Script.no_tool`).
        then: What to say about each tool's result: the first of these for which the result has all fields.
    """

    hear: Annotated[list[str], Field(min_length=1), BeforeValidator(_as_list)]
    when: When = When()
    say: str = ""
    call: Annotated[list[CallTemplate], BeforeValidator(_as_list)] = []
    then: Annotated[list[str], BeforeValidator(_as_list)] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        groups: list[str] = []
        for pattern in self.hear:
            groups.extend(compiled(pattern).groupindex)
        known = [*dict.fromkeys(groups), *_ALWAYS]
        if not self.say and not self.call:
            raise ValueError("a rule needs say, call or both")
        templates.check(self.say, known)
        for call in self.call:
            _check_arguments(call.arguments, known)
        for template in self.then:
            templates.check(template, [*known, "result", "arguments"])
        return self

    def match(self, text: str) -> dict[str, str] | None:
        """Return the words behind the names in the pattern that fits the normalised `text`, or None."""
        for pattern in self.hear:
            if found := compiled(pattern).search(text):
                return {name: words.strip() for name, words in found.groupdict(default="").items()}
        return None


class Script(_Part):
    """Everything a `ScriptBrain` knows.

    Parameters:
        rules: Tried in this order.
        otherwise: The answer where no rule fits.
        greeting: What to say before anybody has said anything.
        unheard: The answer to speech without words.
        shown: What to say first where what was said last came with an image, unless a rule about images fits.
        no_tool: The answer where a rule calls a tool that is not offered; has `{tool}`.
        result: What to say about a tool's result where no `then` fits; has `{result}`.
        failure: What to say about a result that is an error; has `{result}`.
    """

    rules: list[Rule] = []
    otherwise: str = "I heard you say: {heard}."
    greeting: str = "Hello! How can I help you?"
    unheard: str = "Sorry, I did not catch that."
    shown: str = "I see {images}."
    no_tool: str = "I have no tool for that."
    result: str = "The result is: {result}."
    failure: str = "That did not work: {result}."

    @model_validator(mode="after")
    def _check(self) -> Self:
        for template in (self.otherwise, self.greeting, self.unheard, self.shown):
            templates.check(template, _ALWAYS)
        templates.check(self.no_tool, [*_ALWAYS, "tool"])
        for template in (self.result, self.failure):
            templates.check(template, [*_ALWAYS, "result", "arguments"])
        return self

    @classmethod
    def load(cls, script: Path | str) -> Script:
        """Return the script in a YAML file, or in YAML text (which has more than one line).

        Raises:
            SettingsError: It is no YAML, or a rule is wrong; names the line, the rule and the field.
            VoicepipeError: There is no such file.
        """
        document = _read(script)
        try:
            return cls.model_validate(document.content)
        except ValidationError as error:
            first = error.errors()[0]
            where = f"{document.where(first['loc'])}: {_place(first['loc'])}"
            raise SettingsError(where, first["msg"].removeprefix("Value error, ")) from error

    @classmethod
    def default(cls) -> Script:
        """Return the script that comes with voicepipe."""
        return cls.load(Path(__file__).with_name("default.yaml"))


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a `hear` pattern, which fits on whole words only.

    Raises:
        ValueError: It is no regular expression.
    """
    takes_the_rest = pattern.endswith("}") and _SLOT.search(pattern[pattern.rfind("{") :]) is not None

    def group(slot: re.Match[str]) -> str:
        words = NUMBER_PATTERN if slot[2] else r"\w+(?: \w+)*?"
        return f"(?P<{slot[1]}>{words})"

    expression = _SLOT.sub(group, pattern)
    try:
        return re.compile(rf"\b(?:{expression})" + ("$" if takes_the_rest else r"\b"))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error


def normalised(text: str) -> str:
    """Return `text` in lower case, without punctuation, its words one space apart."""
    text = re.sub(r"['’]|(?<=\d),(?=\d{3})", "", text.lower())
    # A decimal point is part of a number.
    return " ".join(re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s.]|_", " ", text).split())


def _check_arguments(value: JsonValue, names: list[str]) -> None:
    if isinstance(value, str):
        templates.check(value, names)
    elif isinstance(value, dict):
        for part in value.values():
            _check_arguments(part, names)
    elif isinstance(value, list):
        for part in value:
            _check_arguments(part, names)


def _read(script: Path | str) -> Document:
    if isinstance(script, str) and "\n" in script:
        return parsed(script, "script")
    try:
        with Path(script).open(encoding="utf-8") as file:
            return parsed(file, str(script))
    except OSError as error:
        raise VoicepipeError(f"the script {str(script)!r} cannot be read: {error.strerror}") from error


def _place(location: tuple[int | str, ...]) -> str:
    """Return where an error is as people count: "rule 2: call: name"."""
    if len(location) > 1 and location[0] == "rules" and isinstance(location[1], int):
        return ": ".join([f"rule {location[1] + 1}", *map(str, location[2:])])
    return ": ".join(map(str, location)) or "script"
