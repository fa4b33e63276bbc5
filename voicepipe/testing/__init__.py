"""Tests for bots: a caller who says what a test tells, scenario files, and fixtures for pytest. Offline, in virtual time.

Names are loaded when they are first used: pytest imports this package wherever voicepipe is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicepipe.testing.bots import Bot, bot_of, loaded
    from voicepipe.testing.call import Call, CallRecord, calling
    from voicepipe.testing.caller import Caller
    from voicepipe.testing.clock import VirtualTimeLoop
    from voicepipe.testing.happened import Happened
    from voicepipe.testing.stage import Stage

_HOME = {
    "Bot": "voicepipe.testing.bots",
    "Call": "voicepipe.testing.call",
    "CallRecord": "voicepipe.testing.call",
    "Caller": "voicepipe.testing.caller",
    "Happened": "voicepipe.testing.happened",
    "Stage": "voicepipe.testing.stage",
    "VirtualTimeLoop": "voicepipe.testing.clock",
    "bot_of": "voicepipe.testing.bots",
    "calling": "voicepipe.testing.call",
    "loaded": "voicepipe.testing.bots",
}

__all__ = [
    "Bot",
    "Call",
    "CallRecord",
    "Caller",
    "Happened",
    "Stage",
    "VirtualTimeLoop",
    "bot_of",
    "calling",
    "loaded",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'voicepipe.testing' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
