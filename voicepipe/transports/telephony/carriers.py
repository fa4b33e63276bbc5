"""Which carrier it is: by name, or by its first messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from voicepipe.errors import CarrierMessageError, SettingsError
from voicepipe.transports.telephony.plivo import PlivoWire
from voicepipe.transports.telephony.reading import parsed
from voicepipe.transports.telephony.telnyx import TelnyxWire
from voicepipe.transports.telephony.twilio import TwilioWire
from voicepipe.transports.telephony.wire import CarrierWire

Carrier: TypeAlias = Literal["twilio", "telnyx", "plivo"]

_WIRES: Final[Mapping[str, Callable[[], CarrierWire]]] = {
    "twilio": TwilioWire,
    "telnyx": TelnyxWire,
    "plivo": PlivoWire,
}


def wire_named(name: str) -> CarrierWire:
    """Return a new wire of a carrier.

    Raises:
        SettingsError: There is no such carrier.
    """
    if name not in _WIRES:
        raise SettingsError("carrier", f"{name!r} is none of {', '.join(_WIRES)}")
    return _WIRES[name]()


def recognised(message: str | bytes) -> CarrierWire | None:
    """Return a new wire of the carrier that sent a message, or None if it does not show yet.

    Twilio and Telnyx open with `connected`, which tells nothing; `start` tells them apart.

    Raises:
        CarrierMessageError: It is a `start` of no carrier that we know, or cannot be read.
    """
    event = parsed(message)
    if event.get("event") != "start":
        return None
    start = event.get("start")
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", start) if isinstance(start, dict) else {}
    if "streamSid" in fields and "callSid" in fields:
        return TwilioWire()
    if "stream_id" in event and "call_control_id" in fields:
        return TelnyxWire()
    if "streamId" in fields and "callId" in fields:
        return PlivoWire()
    raise CarrierMessageError("start", "has the ids of none of the carriers " + ", ".join(_WIRES))
