"""What a carrier's wire has to be able to say: the contract of `twilio`, `telnyx` and `plivo`.

A wire is a plain object. It opens nothing, waits for nothing and reads no clock; a test gives it lines and compares what
comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voicepipe.transports.telephony.events import CarrierEvent
from voicepipe.transports.telephony.line_codec import LineCodec


class CarrierWire(Protocol):
    """One stream in one carrier's dialect; made anew for each call."""

    @property
    def name(self) -> str:
        """The carrier, in small letters."""
        ...

    @property
    def incoming(self) -> LineCodec:
        """How the caller's sound is coded; final once the stream has started."""
        ...

    @property
    def outgoing(self) -> LineCodec:
        """How sound for the caller is coded; likewise."""
        ...

    @property
    def shortest_ms(self) -> int:
        """What the carrier takes in one message at least, in milliseconds of sound."""
        ...

    @property
    def longest_ms(self) -> int:
        """What it takes in one message at most."""
        ...

    @property
    def answers_idle_marks(self) -> bool:
        """Whether a mark with nothing to play before it is known to come back at once."""
        ...

    @property
    def keeps_order(self) -> bool:
        """Whether the caller's sound comes in its order."""
        ...

    def receive(self, message: str | bytes) -> Sequence[CarrierEvent]:
        """Return what a message means; nothing if it means nothing to a bot.

        Raises:
            CarrierMessageError: It cannot be read.
            CarrierStreamError: The stream starts, with sound coded in a way we do not know.
        """
        ...

    def media(self, sound: bytes) -> str:
        """Return the message with which the carrier plays `sound`, coded as `outgoing` says."""
        ...

    def mark(self, name: str) -> str:
        """Return the message after which the carrier says when all before it has been played."""
        ...

    def clear(self) -> str:
        """Return the message with which the carrier throws away what it has not played."""
        ...

    def dtmf(self, keys: str, /) -> str | None:
        """Return the message with which the carrier presses keys, or None if this stream cannot."""
        ...
