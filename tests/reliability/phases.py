"""The phases of a call, and how each is reached."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Protocol

from voicepipe.frames import Frame, UserStartedSpeakingFrame, UserStoppedSpeakingFrame

LONG_ANSWER = "count to twenty"
USES_TOOL = "what is the weather in paris"


class Phase(StrEnum):
    """Where a call is when something goes wrong."""

    CONNECTING = "connecting"
    IDLE = "idle"
    USER_SPEAKS = "user speaks"
    WAITING = "waiting"
    BOT_SPEAKS = "bot speaks"
    TOOL_RUNS = "tool runs"
    HANGING_UP = "hanging up"


class Line(Protocol):
    """What a phase needs of a call, whatever brings its sound."""

    ready: asyncio.Event
    tool_runs: asyncio.Event

    def begin_to_say(self, text: str) -> None: ...
    async def say(self, text: str) -> None: ...
    async def until_next(self, type_: type[Frame]) -> None: ...
    async def until_sound(self) -> None: ...


async def reach(phase: Phase, line: Line) -> None:
    """Bring a call into a phase. `CONNECTING` is where it begins."""
    if phase is Phase.CONNECTING:
        return
    await line.ready.wait()
    await asyncio.sleep(0.5)
    if phase is Phase.USER_SPEAKS:
        line.begin_to_say(LONG_ANSWER)
        await line.until_next(UserStartedSpeakingFrame)
        await asyncio.sleep(0.2)
    elif phase is Phase.WAITING:
        await asyncio.gather(line.say(LONG_ANSWER), line.until_next(UserStoppedSpeakingFrame))
        await asyncio.sleep(0.3)
    elif phase is Phase.BOT_SPEAKS:
        line.begin_to_say(LONG_ANSWER)
        await line.until_sound()
        await asyncio.sleep(0.3)
    elif phase is Phase.TOOL_RUNS:
        line.begin_to_say(USES_TOOL)
        await line.tool_runs.wait()
        await asyncio.sleep(0.2)
