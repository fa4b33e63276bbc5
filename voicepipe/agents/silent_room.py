"""A room for tests in writing: nobody is heard in it, and what the agent says counts as heard at once."""

from __future__ import annotations

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from voicepipe.loops import now_ms


class SilentRoom(BaseTransport):
    """A transport without anybody at the other end, for `AgentSession.run`.

        async with AgentSession(llm=llm) as session:
            await session.start(agent, room=SilentRoom())
            result = await session.run(user_input="Hello!")

    What the agent says counts as heard at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends = _Nobody(), _Wall()

    def input(self) -> FrameProcessor:
        """Return the end where nobody speaks."""
        return self._ends[0]

    def output(self) -> FrameProcessor:
        """Return the end where nobody listens."""
        return self._ends[1]


class _Nobody(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class _Wall(FrameProcessor):
    """Takes sound as if it were played the moment it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._speaks = False
        self._played_ms: dict[str, float] = {}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputAudioRawFrame):
            await self._play(frame)
            return
        await self.push_frame(frame, direction)
        if self._speaks and isinstance(frame, TTSStoppedFrame | InterruptionFrame):
            self._speaks = False
            self._played_ms.clear()
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _play(self, frame: OutputAudioRawFrame) -> None:
        if not self._speaks:
            self._speaks = True
            await self.broadcast_frame(BotStartedSpeakingFrame)
        context_id = frame.context_id if isinstance(frame, TTSAudioRawFrame) else None
        if context_id is None:
            return
        ms = frame.num_frames * 1000 / frame.sample_rate
        self._played_ms[context_id] = played_ms = self._played_ms.get(context_id, 0.0) + ms
        mark = PlaybackMarkFrame(context_id=context_id, played_ms=played_ms, at_ms=now_ms())
        await self.push_frame(mark, FrameDirection.UPSTREAM)
