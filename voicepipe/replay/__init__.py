"""Recorded calls run again with today's code, in virtual time: the same each time, so that recordings are tests."""

from voicepipe.replay.as_test import assert_same_story, told, write_test
from voicepipe.replay.bots import named_bot, recorded_bot
from voicepipe.replay.player import Replayed, play, replay
from voicepipe.replay.story import Difference, Line, differences, story_of
from voicepipe.telemetry.recording import Recording

__all__ = [
    "Difference",
    "Line",
    "Recording",
    "Replayed",
    "assert_same_story",
    "differences",
    "named_bot",
    "play",
    "recorded_bot",
    "replay",
    "story_of",
    "told",
    "write_test",
]
