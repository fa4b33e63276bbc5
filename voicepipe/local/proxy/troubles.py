"""What a `FaultProxy` can do to a connection, and to a handshake. Plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Message: TypeAlias = str | bytes
Changes: TypeAlias = Callable[[Message], Sequence[Message]]
"""Takes a message, returns those that go on in its place; called in the order of arrival."""

# On an open connection.


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks, with no close frame."""


@dataclass(frozen=True, slots=True)
class CloseWith:
    """The connection is closed in good order.

    Parameters:
        code: The close code; None is a close frame that has none.
        reason: The words in it.
    """

    code: int | None = 1011
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing goes either way, and the connection stays open.

    Parameters:
        secs: For so long; what was held goes on then. None is for ever.
    """

    secs: float | None = None


@dataclass(frozen=True, slots=True)
class Deaf:
    """Nothing is read of what the harmed side sends; what is sent to it still arrives.

    Parameters:
        secs: For so long.
    """

    secs: float


@dataclass(frozen=True, slots=True)
class Say:
    """A message arrives that the other side has not sent.

    Parameters:
        message: A text, or bytes for a binary one.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class HalfMessage:
    """A message of 1,000 bytes begins and ends in its middle.

    Parameters:
        stalls: Whether the connection stays open after it; otherwise it breaks.
    """

    stalls: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes arrive that may be no WebSocket frame.

    Parameters:
        data: The bytes.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """The next messages to the harmed side are changed, left out or multiplied.

    Parameters:
        by: What goes on in the place of each.
        messages: How many are given to it; None is all from now on.
    """

    by: Changes
    messages: int | None = None


Trouble: TypeAlias = Drop | CloseWith | Stall | Deaf | Say | HalfMessage | Raw | Change

# At a handshake.


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """The handshake is refused with an HTTP status.

    Parameters:
        status: From 300 on.
        headers: Of the answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection breaks when the request is there, with no answer."""


@dataclass(frozen=True, slots=True)
class Late:
    """The answer takes its time.

    Parameters:
        secs: How long; None never answers.
    """

    secs: float | None = None


@dataclass(frozen=True, slots=True)
class NotHttp:
    """The answer is that of another protocol."""


Handshake: TypeAlias = HttpStatus | HangUp | Late | NotHttp
