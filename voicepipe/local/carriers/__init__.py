"""Telephone carriers on this machine: calls to a bot's media stream as Twilio, Telnyx and Plivo place them."""

from voicepipe.local.carriers.call import CarrierName, LocalCall
from voicepipe.local.carriers.line import CarrierLine, Cut
from voicepipe.local.carriers.mishaps import Mishaps
from voicepipe.local.carriers.plivo import PlivoDialect
from voicepipe.local.carriers.telnyx import TelnyxDialect
from voicepipe.local.carriers.twilio import TwilioDialect

__all__ = [
    "CarrierLine",
    "CarrierName",
    "Cut",
    "LocalCall",
    "Mishaps",
    "PlivoDialect",
    "TelnyxDialect",
    "TwilioDialect",
]
