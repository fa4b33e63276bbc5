"""What a carrier has to be able to say: its webhooks without I/O, and its REST API.

A carrier (`Twilio`, `Telnyx`, `Plivo`) holds credentials and reads webhooks; it opens nothing. Its `api` does what a call
needs over REST, on a session that somebody else owns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from aiohttp import ClientSession

from voicepipe.errors import SettingsError
from voicepipe.transports.telephony import Carrier as CarrierName

CallStatus: TypeAlias = Literal[
    "queued", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"
]
"""Where a call is; the last five are ends."""
_STEPS: Final[Sequence[CallStatus]] = ("queued", "ringing", "in-progress")
Classification: TypeAlias = Literal["human", "machine", "fax", "unknown"]
DetectionMode: TypeAlias = Literal["fast", "greeting_end"]
"""Whether a machine is reported as soon as it is known, or when its greeting has ended and it records."""
TransferMode: TypeAlias = Literal["cold", "warm"]
"""Whether a call is handed on at once, or the person first hears what it is about."""


def is_end(status: CallStatus) -> bool:
    """Whether a call that is there is over."""
    return status not in _STEPS


def further(known: CallStatus, said: CallStatus) -> CallStatus:
    """Return which of both comes later in a call: what carriers say may be overtaken by what they say after it."""
    is_earlier = not is_end(said) and (is_end(known) or _STEPS.index(said) < _STEPS.index(known))
    return known if is_earlier else said


def checked_mode(field: str, mode: str) -> TransferMode:
    """Return how a call is to be handed on.

    Raises:
        SettingsError: It cannot be handed on so.
    """
    if mode not in ("cold", "warm"):
        raise SettingsError(field, f"{mode!r} is neither 'cold' nor 'warm'")
    return mode


class WebhookRefusedError(Exception):
    """A webhook that is not the carrier's own; the text is for a counter, never for who sent it."""


@dataclass(frozen=True)
class Webhook:
    """A carrier's request.

    Parameters:
        kind: What it is about: the last part of its path.
        method: `POST` or `GET`.
        url: The public address that the carrier asked for, query included.
        headers: Their names in small letters.
        body: As it came.
    """

    kind: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def form(self) -> Sequence[tuple[str, str]]:
        """The fields of a form."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """The same by name; of repeated ones the last."""
        return dict(self.form)

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The fields of the address."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook is answered."""

    body: str = ""
    content_type: str = "text/xml"
    status: int = 200


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """Somebody calls, and waits for the markup or to be answered."""

    call_id: str
    caller: str
    callee: str


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """Somebody whom we called picked up.

    Parameters:
        ref: Our id of the call.
        call_id: The carrier's.
        is_person_leg: Whether it is whom a warm transfer goes to.
    """

    ref: str
    call_id: str
    is_person_leg: bool = False


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A call got somewhere, or ended."""

    ref: str
    call_id: str
    status: CallStatus
    cause: str = ""
    is_person_leg: bool = False


@dataclass(frozen=True, slots=True)
class MachineDetected:
    """Who picked up, as far as the carrier can tell.

    Parameters:
        raw: In its own words.
        may_speak: Whether a machine records already.
    """

    ref: str
    call_id: str
    classification: Classification
    raw: str
    may_speak: bool = True


@dataclass(frozen=True, slots=True)
class GreetingEnded:
    """A machine records from here on."""

    ref: str
    call_id: str


@dataclass(frozen=True, slots=True)
class SummarySaid:
    """The person whom a warm transfer goes to has heard what it is about."""

    ref: str
    call_id: str


@dataclass(frozen=True, slots=True)
class MarkupWanted:
    """The carrier comes for markup that was kept for it."""

    key: str


WebhookEvent: TypeAlias = (
    IncomingCall | LegAnswered | StatusChanged | MachineDetected | GreetingEnded | SummarySaid | MarkupWanted
)


@dataclass(frozen=True, slots=True)
class StreamOffer:
    """The media stream that the carrier is to open.

    Parameters:
        url: Where (`wss://`); nothing in it is secret.
        parameters: What the carrier hands on in its `start`; letters and digits only, since Plivo takes no others.
    """

    url: str
    parameters: Mapping[str, str] = field(repr=False)


class Callbacks(Protocol):
    """Where the carrier finds us."""

    def url(self, kind: str, **query: str) -> str:
        """Return the public address of a webhook."""
        ...

    def keep(self, markup: str) -> str:
        """Keep markup, and return the address where the carrier finds it."""
        ...


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A call to place.

    Parameters:
        ref: Our id of it, which all its webhooks bring along.
        to: Who is called.
        from_: Which number is shown.
        ring_secs: How long it may ring.
        detection: Whether the carrier is to find out if a machine answers, and when it says so.
    """

    ref: str
    to: str
    from_: str
    ring_secs: int
    detection: DetectionMode | None


@dataclass(frozen=True, slots=True)
class WarmTransfer:
    """A call that is handed to a person, who first hears what it is about.

    Parameters:
        ref: Our id of the call.
        call_id: The carrier's.
        to: Who takes over.
        from_: Which number that person sees.
        summary: What that person hears first.
        hold_audio_url: What the caller hears meanwhile; empty is the carrier's own music.
        ring_secs: How long it may ring at the person's.
    """

    ref: str
    call_id: str
    to: str
    from_: str
    summary: str
    hold_audio_url: str
    ring_secs: int = 25


class CarrierApi(Protocol):
    """What a call needs of the carrier. All raise `CarrierRefusedError`; what is gone already is no error."""

    async def open_stream(self, call_id: str, stream: StreamOffer, *, is_outbound: bool) -> Reply:
        """Have the carrier open its stream for a call that is to be answered or was; return the webhook's answer."""
        ...

    async def refuse(self, call_id: str) -> Reply:
        """Have an incoming call hear the busy tone; return the webhook's answer."""
        ...

    async def place(self, call: OutboundCall, callbacks: Callbacks) -> str:
        """Call somebody; return the carrier's id of the call, which may be another one once it rings."""
        ...

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        ...

    async def transfer(self, call_id: str, to: str, callbacks: Callbacks) -> None:
        """Hand a call to another number at once."""
        ...

    async def hold(self, transfer: WarmTransfer, callbacks: Callbacks) -> None:
        """Begin a warm transfer: have the caller wait."""
        ...

    async def call_person(self, transfer: WarmTransfer, callbacks: Callbacks) -> str:
        """Call the person who takes over; return the carrier's id of that call."""
        ...

    async def person_answered(self, transfer: WarmTransfer, person_call_id: str) -> Reply:
        """Go on with a warm transfer: the person picked up; return the webhook's answer."""
        ...

    async def take_back(self, call_id: str, stream: StreamOffer, callbacks: Callbacks) -> None:
        """End a caller's waiting: have the carrier open its stream again."""
        ...

    async def join(self, call_id: str, person_call_id: str) -> None:
        """Finish a warm transfer: the person has heard the summary."""
        ...

    async def record(self, call_id: str, *, on: bool) -> None:
        """Begin or end the carrier's recording of a call."""
        ...

    async def set_webhook(self, number: str, callbacks: Callbacks) -> None:
        """Make the carrier bring calls of a number to us."""
        ...


class Carrier(Protocol):
    """A carrier, with credentials."""

    @property
    def name(self) -> CarrierName:
        """In small letters."""
        ...

    @property
    def stream_ends_call(self) -> bool:
        """Whether the call ends when its stream is closed."""
        ...

    @property
    def can_verify(self) -> bool:
        """Whether there is the secret or key with which webhooks are checked."""
        ...

    def verify(self, webhook: Webhook, now_secs: float) -> str:
        """Check that a webhook is the carrier's; return what tells it from all others, for refusing repeats.

        Args:
            webhook: The request.
            now_secs: The time, in seconds since 1970.

        Raises:
            WebhookRefusedError: It is not, or it is too old.
        """
        ...

    def read(self, webhook: Webhook) -> WebhookEvent | None:
        """Return what a webhook means; None if nothing.

        Raises:
            CarrierMessageError: It cannot be read.
        """
        ...

    def api(self, session: ClientSession) -> CarrierApi:
        """Return its REST API on a session."""
        ...
