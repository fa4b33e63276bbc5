"""A telephone call as both ends of a pipeline: the media streams of Twilio, Telnyx and Plivo."""

from voicepipe.quick_socket import QuickServerConnection
from voicepipe.transports.telephony.carriers import Carrier
from voicepipe.transports.telephony.events import StreamStarted
from voicepipe.transports.telephony.sockets import MediaSocket, StarletteSocket
from voicepipe.transports.telephony.stream import StreamLimits
from voicepipe.transports.telephony.telnyx import TelnyxWire
from voicepipe.transports.telephony.transport import TelephonyTransport

__all__ = [
    "Carrier",
    "MediaSocket",
    "QuickServerConnection",
    "StarletteSocket",
    "StreamLimits",
    "StreamStarted",
    "TelephonyTransport",
    "TelnyxWire",
]
