"""Tests for bots: a caller who says what a test tells, scenario files, and fixtures for pytest. Offline, in virtual time."""

from voicepipe.testing.bots import Bot, bot_of, loaded
from voicepipe.testing.call import Call, CallRecord, calling
from voicepipe.testing.clock import VirtualTimeLoop
from voicepipe.testing.happened import Happened

__all__ = ["Bot", "Call", "CallRecord", "Happened", "VirtualTimeLoop", "bot_of", "calling", "loaded"]
