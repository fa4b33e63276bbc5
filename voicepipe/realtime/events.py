"""What happens in a realtime session, in words that all providers share.

A session (`voicepipe.realtime.session`) answers every call with a list of outputs. An output is either a `Send`, which goes
to the wire, or a happening, which the service turns into frames. Happenings are plain values: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from voicepipe.errors import FailureKind

ResponseStatus: TypeAlias = Literal["completed", "cancelled", "incomplete", "failed"]


class Send(NamedTuple):
    """A message for the wire.

    Parameters:
        message: The message, one JSON text.
        droppable: Whether it is sound of the moment, which may be dropped when the socket cannot keep up.
    """

    message: bytes
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The server knows our settings; input that waited has been sent.

    Parameters:
        session_id: The server's name for the session.
        expires_at: When it ends, in seconds since 1970, if the server said so.
        is_resumed: Whether it goes on with a conversation that another connection began.
    """

    session_id: str
    expires_at: float | None = None
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class SettingsApplied:
    """The server confirmed settings; `settings` is the whole of what is now in force, in the wire's shape."""

    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    """The server heard the user begin to speak.

    Parameters:
        item_id: The id that the user's item will have.
        audio_ms: Where in the sound sent so far the speech begins, in milliseconds.
        cancels_response: Whether the server itself cancels a response that is running.
    """

    item_id: str
    audio_ms: int = 0
    cancels_response: bool = True


@dataclass(frozen=True, slots=True)
class UserSpeechStopped:
    """The server heard the user's turn end.

    Parameters:
        item_id: The id of the user's item.
        audio_ms: Where in the sound sent so far the speech ends, in milliseconds.
        creates_response: Whether the server itself starts a response.
    """

    item_id: str
    audio_ms: int = 0
    creates_response: bool = True


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """Words the user said: all of the turn so far, or the final text of it."""

    item_id: str
    text: str
    final: bool
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionUsage:
    """What transcribing a turn of the user's cost; tokens or seconds, as the model is billed.

    Parameters:
        item_id: The user's item.
        seconds: How long the sound lasts, if that is counted.
        input_tokens: The tokens of the sound and of the prompt, if those are counted.
        output_tokens: The tokens of the words.
        model: The model that transcribed, if the settings name one.
    """

    item_id: str
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """A response of the default conversation began."""

    response_id: str


class Coding(Protocol):
    """A telephone's coding, one byte a sample."""

    @property
    def name(self) -> str:
        """`PCMU` or `PCMA`."""
        ...

    @property
    def decode(self) -> Callable[[bytes], bytes]:
        """Makes s16le of it."""
        ...


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Sound of the bot.

    Parameters:
        response_id: The response it belongs to.
        item_id: The item it belongs to.
        sound: As it came over the wire, at the session's `output_sample_rate`: s16le mono, unless there is a coding.
        coding: If it is G.711.
    """

    response_id: str
    item_id: str
    sound: bytes
    coding: Coding | None = field(default=None, repr=False)

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.sound) // 2 if self.coding is None else len(self.sound)

    def without(self, samples: int) -> AudioChunk:
        """Return it without so many samples at its beginning."""
        width = len(self.sound) // self.samples
        return replace(self, sound=self.sound[samples * width :])

    @property
    def pcm(self) -> bytes:
        """The sound as s16le mono; decoded anew each time if it is coded."""
        return self.sound if self.coding is None else self.coding.decode(self.sound)


@dataclass(frozen=True, slots=True)
class BotTranscript:
    """Words of the bot as they come.

    Parameters:
        text: The words added, with the spaces between them.
        spoken: True if they go with sound of the session's, False if text is all there is.
    """

    response_id: str
    item_id: str
    text: str
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a function.

    Parameters:
        arguments: The arguments, or None if they were not a JSON object; `problem` then says what was wrong.
    """

    response_id: str
    call_id: str
    name: str
    arguments: Mapping[str, Any] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response. Cached tokens are part of the input tokens, never beside them."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    cached_image_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """A response ended, in whatever way; each `ResponseStarted` is followed by exactly one.

    Parameters:
        status: How it ended.
        reason: The server's word for why it was cancelled or cut, e.g. `turn_detected`.
        usage: Its tokens, if the server counted them.
        calls: The ids of the function calls it made, in order.
    """

    response_id: str
    status: ResponseStatus
    reason: str = ""
    usage: Usage | None = None
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SideResponse:
    """The end of a response outside of the conversation, which somebody asked for by a token.

    Parameters:
        token: What it was asked for by.
        status: How it ended.
        text: Its words, written or spoken, of all its messages.
        output: Its items, in the wire's shape.
        usage: Its tokens, if the server counted them.
        problem: The server's reason, if it failed or was refused.
        metadata: What the one who asked gave along.
    """

    token: str
    status: ResponseStatus
    text: str = ""
    output: tuple[Mapping[str, Any], ...] = ()
    usage: Usage | None = None
    problem: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class UserSilent:
    """The user said nothing for so long after an answer that the server lets the model speak again."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ServerTool:
    """Something about a tool that the server itself runs (MCP).

    Parameters:
        stage: `listing`, `listed`, `calling`, `called`, or `failed` at either.
        item_id: The item it is about.
        item: The item in the wire's shape, if the event held it.
    """

    stage: Literal["listing", "listed", "calling", "called", "failed"]
    item_id: str
    item: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ApprovalWanted:
    """The server wants to be allowed to call a tool that it runs itself.

    Parameters:
        request_id: What the answer has to name.
        server_label: Whose tool it is.
        name: The tool.
        arguments: Its arguments, a JSON text.
    """

    request_id: str
    server_label: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ItemCreated:
    """An item joined the conversation; `item` is in the wire's shape."""

    item_id: str
    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ItemUpdated:
    """An item was completed or got its transcript; `item` is None if only that is known."""

    item_id: str
    item: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ItemRetrieved:
    """The answer to `retrieve`: the item, or the server's reason for not having it."""

    item_id: str
    item: Mapping[str, Any] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much is left of the account's limits, in the wire's shape."""

    limits: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """Something that only this provider tells, and from which nothing follows here.

    Parameters:
        name: The event's type on the wire.
        payload: What it holds, in the wire's shape.
    """

    name: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something on the wire that is not understood and was passed over; each sort of it is told once.

    Parameters:
        what: The event's type, or what was wrong with it.
    """

    what: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Something went wrong.

    Parameters:
        kind: What sort of thing.
        message: What a person needs to know of it; holds no secret.
        code: The server's own word for it, if it gave one.
        fatal: Whether the session cannot go on.
        field: The setting concerned, if it is about one.
    """

    kind: FailureKind
    message: str
    code: str = ""
    fatal: bool = False
    field: str = ""


Happening: TypeAlias = (
    SessionReady
    | SettingsApplied
    | UserSpeechStarted
    | UserSpeechStopped
    | UserTranscript
    | TranscriptionUsage
    | ResponseStarted
    | AudioChunk
    | BotTranscript
    | ToolCall
    | ResponseFinished
    | SideResponse
    | UserSilent
    | ServerTool
    | ApprovalWanted
    | ItemCreated
    | ItemUpdated
    | ItemRetrieved
    | RateLimits
    | ServerEvent
    | Oddity
    | Failure
)
Output: TypeAlias = Send | Happening
