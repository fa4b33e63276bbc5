"""The clock of calls that take no time: replay's, with sockets on loopback that stay real."""

from __future__ import annotations

from typing import Final

from voicepipe.replay import virtual_time

_ARRIVAL_SECS: Final = 0.0005
"""Enough for bytes that another socket of this process has just sent, too little to be felt."""


class VirtualTimeLoop(virtual_time.VirtualTimeLoop):
    """Starts at time 0 and never waits for a timer; what was sent on loopback arrives before time jumps."""

    def __init__(self) -> None:
        super().__init__(_ARRIVAL_SECS)
