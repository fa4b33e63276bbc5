"""The format of a recording: its files, its version and what an entry is. `docs/recordings.md` is its description."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

FORMAT: Final = "voicepipe-recording"
VERSION: Final = 1
"""Grows when a reader that does not know of a change would misread; new fields and new kinds of entries do not count."""

EVENTS: Final = "events.jsonl"
SOUND: Final = "sound.pcm"
TRACKS: Final = "audio.wav"

Kind: TypeAlias = Literal[
    "header", "wire", "frame", "sound", "silenced", "turn", "tool", "fault", "account", "note", "end"
]
Entry: TypeAlias = dict[str, Any]
"""One line of `events.jsonl`. Each has `n`, its number; `t`, milliseconds since the recording began, on the event loop's
clock; `w`, milliseconds since 1970; and `k`, its kind."""
