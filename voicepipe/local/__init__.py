"""Realtime APIs on this machine: the same wires on 127.0.0.1, with real speech behind them, no key and no network."""

from voicepipe.local.faults import Fault, Faults
from voicepipe.local.pace import Pace
from voicepipe.local.server import LocalServer

__all__ = ["Fault", "Faults", "LocalServer", "Pace"]
