"""What a carrier's side has to be able to say and understand besides its streams: webhooks, markup, REST. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

CallStatus: TypeAlias = Literal["ringing", "busy", "no-answer", "failed", "completed"]
"""Where an outbound call got, in Twilio's words."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that reached the REST API.

    Parameters:
        method: Of HTTP.
        path: Without its query, decoded.
        fields: Of the form or the JSON; of a form's field that comes often the last, but all of `StatusCallbackEvents`.
        authorization: The header.
    """

    method: str
    path: str
    fields: Mapping[str, Any]
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Stream:
    """A media stream that the bot wants opened.

    Parameters:
        url: Where.
        parameters: What it wants handed back in the stream's `start`.
    """

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class NoStream:
    """The bot does not want a stream; `why` says what it wants."""

    why: str


@dataclass(frozen=True, slots=True)
class News:
    """A webhook that the bot is to get.

    Parameters:
        url: Where.
        fields: Of the form or the JSON.
        call_id: Of the call it is about.
    """

    url: str
    fields: Mapping[str, Any]
    call_id: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The bot has the carrier end a call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class HandOn:
    """The bot has the carrier do something else with a call than stream it; `to` is a number, empty if none is dialled."""

    call_id: str
    to: str = ""


Command: TypeAlias = HangUp | HandOn


class Exchange(Protocol):
    """One carrier's webhooks and REST API. It keeps which calls it was asked to place, and nothing else."""

    def new_call_id(self) -> str:
        """Return an id that no other call has."""
        ...

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a webhook.

        Args:
            url: The public address it is sent to.
            fields: What it says.
            at_secs: When it is signed (Telnyx alone signs that), in seconds since 1970; None is now.
            nonce: What makes it unlike others (Plivo's alone); empty makes one.
        """
        ...

    def ringing(self, call_id: str, caller: str, callee: str) -> dict[str, Any]:
        """Return the fields of an incoming call's webhook."""
        ...

    def answered(self, call_id: str, caller: str, callee: str) -> dict[str, Any] | None:
        """Return what is told after a command to answer that opens no stream yet; None where there is nothing to tell."""
        ...

    def ended(self, call_id: str) -> dict[str, Any] | None:
        """Return what is told at an incoming call's voice webhook when it is over; None where nothing is told there."""
        ...

    def stream_in(self, markup: str, asked: Sequence[Asked]) -> Stream | NoStream | None:
        """Return the stream that the bot wants, by its answer to a webhook or by what it asked about the call.

        None says that this is not known yet.
        """
        ...

    def answer(self, asked: Asked) -> Mapping[str, Any]:
        """Return the REST API's answer to a request that succeeds."""
        ...

    def command(self, asked: Asked) -> Command | None:
        """Return what a request does with a call whose stream runs."""
        ...

    def picked_up(self) -> News:
        """Return what tells that the call placed last was answered."""
        ...

    def status(self, call_id: str, status: CallStatus) -> News:
        """Return what tells where the call placed last got."""
        ...

    def detection(self, call_id: str, *, is_machine: bool) -> Sequence[News]:
        """Return what tells who picked up the call placed last, and that a machine records now."""
        ...


def last_of(placed: Sequence[Asked]) -> Asked:
    """Return the request for the call that was placed last.

    Raises:
        LookupError: None was.
    """
    if not placed:
        raise LookupError("the bot has placed no call")
    return placed[-1]
