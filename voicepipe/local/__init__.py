"""Realtime APIs on this machine: the same wires on 127.0.0.1, with real speech behind them, no key and no network."""

from voicepipe.local.server import LocalServer, Pace

__all__ = ["LocalServer", "Pace"]
