"""What `--engine` takes; apart from `engines`, so that the command line's help loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class EngineName(StrEnum):
    """A realtime API that the demo can talk with."""

    OPENAI = "openai"
    OPENAI_BETA = "openai-beta"
    ELEVENLABS = "elevenlabs"
