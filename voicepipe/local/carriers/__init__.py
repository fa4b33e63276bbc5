"""Telephone carriers on this machine, as a bot sees them: Twilio, Telnyx and Plivo.

`LocalCarrier` brings signed webhooks, plays the REST API and opens the streams (`LocalCall`); `visit` is a whole caller, and
`hearing` tells what was heard on a call and when. `exchange`, `dialect`, `line` and `player` are all that without I/O.
"""

from voicepipe.local.carriers.call import CarrierName, LocalCall
from voicepipe.local.carriers.carrier import LocalCarrier
from voicepipe.local.carriers.exchange import Asked, Stream
from voicepipe.local.carriers.keys import TelnyxKeys, new_telnyx_keys, secret_from_environment
from voicepipe.local.carriers.line import CarrierLine, Cut
from voicepipe.local.carriers.mishaps import Mishaps
from voicepipe.local.carriers.plivo import PlivoDialect
from voicepipe.local.carriers.telnyx import TelnyxDialect
from voicepipe.local.carriers.twilio import TwilioDialect

__all__ = [
    "Asked",
    "CarrierLine",
    "CarrierName",
    "Cut",
    "LocalCall",
    "LocalCarrier",
    "Mishaps",
    "PlivoDialect",
    "Stream",
    "TelnyxDialect",
    "TelnyxKeys",
    "TwilioDialect",
    "new_telnyx_keys",
    "secret_from_environment",
]
