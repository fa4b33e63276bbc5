"""A service in a running pipeline that talks with the local server, and a caller who speaks in tones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.pipelines import Running, running
from tests.support.tones import heard, spoken, tone_server
from tests.support.wires import read, service, wire
from voicepipe.frames import Frame, InputAudioRawFrame, LLMFullResponseEndFrame, TTSAudioRawFrame
from voicepipe.local import Pace
from voicepipe.services.openai.realtime import SessionProperties
from voicepipe.transports.sound import Sound


class Bot:
    """A service in a pipeline, with what it sent to the server and what it said."""

    def __init__(self, bot: Running, llm: Any, wire: list[dict[str, Any]]) -> None:
        self.run, self.llm, self.wire = bot, llm, wire
        self._answers = 0

    async def give(self, *frames: Frame) -> None:
        for frame in frames:
            await self.run.worker.queue_frame(frame)

    async def say(self, text: str, *, chunk_ms: int = 20) -> None:
        """Speak, in real time, with silence after it until the turn is over."""
        pcm = spoken(text).pcm + bytes(48 * 700)
        for at in range(0, len(pcm), 48 * chunk_ms):
            await self.give(InputAudioRawFrame(pcm[at : at + 48 * chunk_ms], 24000, 1))
            await asyncio.sleep(chunk_ms / 1000)

    async def answer(self) -> str:
        """Wait for the next answer and return what is heard of it."""
        self._answers += 1
        await self.run.down.wait_for(LLMFullResponseEndFrame, count=self._answers)
        sound: dict[str, bytes] = {}
        for frame in self.run.down.of(TTSAudioRawFrame):
            sound[frame.context_id] = sound.get(frame.context_id, b"") + frame.audio
        return heard(Sound(list(sound.values())[-1], 24000)) if sound else ""

    def sent(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.wire if event["type"] == type_]


@asynccontextmanager
async def bot(
    properties: SessionProperties | None = None, *, pace: Pace | None = None, around=None, **options
) -> AsyncIterator[Bot]:
    sent: list[dict[str, Any]] = []

    def watch(way: str, event: Any) -> None:
        if way == "in":
            sent.append(read(dict(event)))

    async with tone_server(wire=wire(), pace=pace, on_event=watch) as server:
        llm = service(properties, api_key="k", base_url=server.url, **options)
        async with running(*(around(llm) if around else [llm])) as run_:
            yield Bot(run_, llm, sent)
