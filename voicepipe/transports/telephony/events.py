"""What a carrier says over its media stream, in words that are the same for all carriers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The stream has begun; the carrier's first word on the call.

    Parameters:
        carrier: `twilio`, `telnyx` or `plivo`.
        stream_id: The carrier's id of the stream.
        call_id: Its id of the call, as its REST API takes it.
        account_id: Its id of the account, if it says so.
        encoding: How the caller's sound is coded, in the carrier's words.
        sample_rate: Of the caller's sound, in hertz.
        tracks: Whose sound is sent: `inbound` is the caller.
        parameters: What was put into the markup or the request for the bot.
        caller: The number of the caller, if the carrier says so.
        callee: The number that was called, if the carrier says so.
    """

    carrier: str
    stream_id: str
    call_id: str
    account_id: str
    encoding: str
    sample_rate: int
    tracks: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    caller: str = ""
    callee: str = ""

    @property
    def only_listens(self) -> bool:
        """Whether it is certain from the start that the carrier plays nothing: it sends the bot's side as well.

        A stream that a bot can speak into carries the caller alone (Twilio: `<Connect><Stream>` takes no other track;
        Plivo: `audioTrack="both"` excludes `bidirectional`).
        """
        return self.carrier != "telnyx" and any(track.startswith("outbound") for track in self.tracks)


class SoundArrived(NamedTuple):
    """Sound of the caller.

    Parameters:
        sound: As it is coded on the stream.
        chunk: Its number in the stream, where the carrier does not keep the order and counts.
    """

    sound: bytes
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a key: `0` to `9`, `*`, `#`, `A` to `D`."""

    key: str


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """All that was sent before a mark has been played, or thrown away by a `clear`."""

    name: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The call or the stream has ended."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """The carrier could not do something that it was sent; the stream goes on."""

    message: str


CarrierEvent: TypeAlias = StreamStarted | SoundArrived | KeyPressed | MarkReturned | StreamStopped | Complaint
