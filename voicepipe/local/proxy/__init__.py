"""A stretch of network on this machine that fails when it is told to: for bots that are to withstand what networks do."""

from voicepipe.local.proxy.proxy import FaultProxy
from voicepipe.local.proxy.troubles import (
    Change,
    CloseWith,
    Deaf,
    Drop,
    HalfMessage,
    Handshake,
    HangUp,
    HttpStatus,
    Late,
    NotHttp,
    Raw,
    Say,
    Stall,
    Trouble,
)

__all__ = [
    "Change",
    "CloseWith",
    "Deaf",
    "Drop",
    "FaultProxy",
    "HalfMessage",
    "Handshake",
    "HangUp",
    "HttpStatus",
    "Late",
    "NotHttp",
    "Raw",
    "Say",
    "Stall",
    "Trouble",
]
