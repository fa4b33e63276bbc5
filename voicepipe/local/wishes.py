"""What comes out of the sessions of every wire: events for the client, and the wish that the user be heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from voicepipe.local.speech import Pcm

Event: TypeAlias = dict[str, Any]
RATE: Final = 24000
"""Of what is to be heard, in hertz."""


@dataclass(frozen=True, slots=True)
class Hear:
    """Find the words in `pcm`, at `RATE`, then call the session's `heard` with the same key."""

    key: str
    pcm: Pcm
