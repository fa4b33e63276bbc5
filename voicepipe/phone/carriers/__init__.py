"""The carriers a phone can have."""

from voicepipe.phone.carriers.contract import Carrier
from voicepipe.phone.carriers.plivo import Plivo
from voicepipe.phone.carriers.telnyx import Telnyx
from voicepipe.phone.carriers.twilio import Twilio

__all__ = ["Carrier", "Plivo", "Telnyx", "Twilio"]
