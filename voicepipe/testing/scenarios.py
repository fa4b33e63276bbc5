"""What a scenario says: Pipecat's scripted eval scenarios, with the same keys for the same things, and a few of our own.

`pipecat.evals.script` is the source of the shared keys. What is ours: `bot`, `brain` and `call` of a scenario, `hang_up` of
a turn, `latency_ms` of an expectation, and the services `tones` and `local` of `user.speech`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from voicepipe.local.brain.rules import normalised
from voicepipe.testing.call import KEYS
from voicepipe.testing.happened import EVENTS

_TEXTS: Final = (
    "user_transcription",
    "user_backchannel",
    "llm_response",
    "response",
    "bot_interrupted",
    "error",
    "call_ended",
)
_TIMED: Final = ("response", "bot_started_speaking")
_CALLS: Final = ("function_call", "function_call_stopped")
_NOT_HERE: Final[Mapping[str, str]] = {
    "eval": "wants a model that judges, which is not asked here; say what is to be heard with text_contains",
    **dict.fromkeys(
        ("marker", "marker_first", "markers", "text_after"),
        "is about markers in a text model's reply, which a bot that speaks has none of",
    ),
    "image": "cannot be shown to a bot that is called",
    "context": "cannot be given to a bot from outside; say it in the bot's instructions",
    "persona": "is a simulation, which wants a model that plays the caller; `pipecat eval run` has one",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_foreign_keys(cls, value: Any) -> object:
        if isinstance(value, dict):
            for key in cast("dict[str, Any]", value).keys() & _NOT_HERE.keys():
                raise ValueError(f"{key}: {_NOT_HERE[key]}")
        return cast("object", value)


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _spoken(value: object) -> object:
    """Check what is said as a whole: each type of a union would tell for itself what it misses."""
    if value is None:
        return value
    pieces = cast("list[object]", value) if isinstance(value, list) else [value]
    for piece in pieces:
        if not isinstance(piece, str) and (piece is value or not _is_pause(piece)):
            raise ValueError(f"is words, or a list of words and {{pause_ms: 500}}, and not {piece!r}")
    if not any(isinstance(piece, str) and piece.strip() for piece in pieces):
        raise ValueError("has no words")
    return cast("object", value)


def _is_pause(piece: object) -> bool:
    if not isinstance(piece, dict):
        return isinstance(piece, Pause)
    pause = cast("dict[object, object]", piece)
    pause_ms = pause.get("pause_ms")
    return len(pause) == 1 and type(pause_ms) is int and pause_ms > 0


class FunctionCall(_Part):
    """A function that is to be called.

    Parameters:
        name: Its name; None is any.
        args: Arguments that it is to have, among others.
    """

    name: str | None = None
    args: dict[str, JsonValue] | None = None

    def __str__(self) -> str:
        args = ", ".join(f"{name}={value!r}" for name, value in (self.args or {}).items())
        return f"{self.name or 'any function'}({args})"


class SendAfter(_Part):
    """When a turn is said that does not wait for the bot to finish.

    Parameters:
        event: After this has happened since the turn before began, the last time; None: after that turn was begun.
        delay_ms: So long after that.
    """

    event: str | None = None
    delay_ms: Annotated[int, Field(ge=0)] = 0

    @field_validator("event")
    @classmethod
    def _known(cls, event: str | None) -> str | None:
        return event if event is None else _event(event)

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.event is None and not self.delay_ms:
            raise ValueError("needs an event or a delay_ms above 0")
        return self


class Pause(_Part):
    """Silence in the middle of what is said."""

    pause_ms: Annotated[int, Field(gt=0)]


class Expectation(_Part):
    """Something that is to happen.

    Parameters:
        event: What, one of `EVENTS`.
        within_ms: How soon after the turn's words were begun; by default 60 s.
        text_contains: What is to be in its words; neither case nor punctuation nor the width of gaps counts.
        text_excludes: What must not be in them.
        name: The function, if it is one; short for `calls` with one.
        args: Its arguments.
        calls: All the functions that are to be called, in any order.
        latency_ms: How soon after the caller's turn the bot is to begin to speak.
        check_from: Where the search begins: where the expectation before was met, or at the turn's beginning.
        absent: Whether it must not happen for `within_ms`.
    """

    event: str
    within_ms: Annotated[int, Field(gt=0)] = 60_000
    text_contains: str | None = None
    text_excludes: str | None = None
    name: str | None = None
    args: dict[str, JsonValue] | None = None
    calls: list[Annotated[FunctionCall, BeforeValidator(_named)]] | None = None
    latency_ms: Annotated[float, Field(ge=0)] | None = None
    check_from: Literal["previous", "turn_start"] = "previous"
    absent: bool = False

    @field_validator("event")
    @classmethod
    def _known(cls, event: str) -> str:
        return _event(event)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set - {"event", "within_ms", "absent", "check_from"}
        kinds = {
            **dict.fromkeys(("text_contains", "text_excludes"), _TEXTS),
            **dict.fromkeys(("name", "args", "calls"), _CALLS),
            "latency_ms": _TIMED,
        }
        for key in sorted(given):
            if self.event not in kinds[key]:
                raise ValueError(f"{key}: {self.event} has none; {', '.join(kinds[key])} have")
        if self.absent and given:
            raise ValueError(f"absent: what does not happen has no {', '.join(sorted(given))}")
        if self.calls is not None and not self.calls:
            raise ValueError("calls: is empty")
        if self.calls is not None and not given.isdisjoint(("name", "args")):
            raise ValueError("calls: takes the place of name and args; give one or the other")
        for key, text in (("text_contains", self.text_contains), ("text_excludes", self.text_excludes)):
            if text is not None and not normalised(text):
                raise ValueError(f"{key}: {text!r} has no words")
        return self

    @property
    def wanted_calls(self) -> list[FunctionCall]:
        """The functions that are to be called."""
        return self.calls or [FunctionCall(name=self.name, args=self.args)]


class Turn(_Part):
    """What the caller does, and what is to happen then.

    Parameters:
        user: What is said: words, or words and pauses.
        audio: A recording that is played in their place, relative to the scenario's file.
        dtmf: Keys that are pressed.
        hang_up: Whether the caller hangs up.
        send_after: When it is said, if not when the bot has finished.
        expect: What is to happen, in this order.
    """

    user: Annotated[str | list[str | Pause] | None, BeforeValidator(_spoken)] = None
    audio: Path | None = None
    dtmf: Annotated[
        str | None, BeforeValidator(lambda keys: str(keys) if isinstance(keys, int) else keys)
    ] = None
    hang_up: bool = False
    send_after: SendAfter | None = None
    expect: list[Expectation] = []

    @property
    def acts(self) -> bool:
        """Whether the caller does anything."""
        return self.user is not None or self.dtmf is not None or self.hang_up

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sum((self.user is not None, self.dtmf is not None, self.hang_up)) > 1:
            raise ValueError("is one of user, dtmf and hang_up")
        if self.audio is not None and not isinstance(self.user, str):
            raise ValueError("audio: needs `user` with the words of the recording, without pauses")
        if self.send_after is not None and not self.acts:
            raise ValueError("send_after: there is nothing to send; give user, dtmf or hang_up")
        if self.dtmf is not None and (not self.dtmf or set(self.dtmf) - KEYS):
            raise ValueError(f"dtmf: {self.dtmf!r} has other keys than 0 to 9, * and #")
        if not (self.acts or self.expect):
            raise ValueError("has nothing to do; give user, dtmf, hang_up or expect")
        return self


class Speech(BaseModel):
    """What the caller speaks with; other voices than our own are spoken by the local one."""

    model_config = ConfigDict(extra="allow", frozen=True)
    service: str = "tones"

    @property
    def engine(self) -> Literal["tones", "local"]:
        """The speech engine."""
        return "tones" if self.service == "tones" else "local"


class User(_Part):
    """How the caller's turns reach the bot: always as speech."""

    modality: Literal["audio"] = "audio"
    speech: Speech | None = None


class Limits(_Part):
    """What is to hold for the whole call.

    Parameters:
        tools: The functions that are called, in this order, and no others.
        ended_by: Who ends the call.
        end_reason: What is to be in the reason that is given.
        max_cost: In US dollars; with the local server, what it would cost.
        max_latency_ms: From the end of any turn of the caller's to the first sound of the answer.
        max_duration_ms: How long the call may last.
        errors: Whether there may be errors.
    """

    tools: list[str] | None = None
    ended_by: Literal["caller", "bot", "error"] | None = None
    end_reason: str | None = None
    max_cost: Annotated[float, Field(ge=0)] | None = None
    max_latency_ms: Annotated[float, Field(ge=0)] | None = None
    max_duration_ms: Annotated[float, Field(gt=0)] | None = None
    errors: bool = False


class Scenario(_Part):
    """One call.

    Parameters:
        name: Its name, with that of its file.
        turns: What happens in it.
        bot: The bot's file, relative to the scenario's.
        brain: What the local server answers: a file, relative to the scenario's.
        user: How the caller speaks.
        judge: Pipecat's; taken and not used, since nothing here is judged by a model.
        call: What is to hold for the whole call.
        stop_on_failure: Whether the first turn that fails ends it.
    """

    name: str
    turns: Annotated[list[Turn], Field(min_length=1)]
    bot: Path | None = None
    brain: Path | None = None
    user: User = User()
    judge: dict[str, Any] = {}
    call: Limits = Limits()
    stop_on_failure: bool = True

    @property
    def speech(self) -> Literal["tones", "local"]:
        """The speech engine it needs: where a recording of a person is played, only real ears will do."""
        if self.user.speech is not None:
            return self.user.speech.engine
        return "local" if any(turn.audio is not None for turn in self.turns) else "tones"


def _event(event: str) -> str:
    if event not in EVENTS:
        raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
    return event
