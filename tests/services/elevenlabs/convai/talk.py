"""The service in a running pipeline, against the local server, which speaks in tones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.local.elevenlabs.caller import FAST, convai_server
from tests.support.pipelines import WITHIN_SECS, Running, running
from tests.support.tones import heard, spoken
from voicepipe.frames import InputAudioRawFrame, TTSAudioRawFrame
from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
from voicepipe.realtime.link import Reconnect
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
from voicepipe.transports.sound import Sound

RATE = 16000
QUICK = Reconnect(first_ms=1.0)


@dataclass
class Wire:
    """What went over the wire, as the server saw it."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def saw(self, way: str, event: dict[str, Any]) -> None:
        self.events.append((way, event))
        self._news.set()

    def sent(self, type_: str) -> list[dict[str, Any]]:
        """Messages of a type from the service."""
        return [event for way, event in self.events if way == "in" and event["type"] == type_]

    def received(self, type_: str) -> list[dict[str, Any]]:
        """Events of a type to the service."""
        return [event for way, event in self.events if way == "out" and event["type"] == type_]

    async def until(self, found: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WITHIN_SECS):
            while not (result := found()):
                self._news.clear()
                await self._news.wait()
        return result


@dataclass
class Talk:
    bot: Running
    wire: Wire
    llm: ElevenLabsConvAIService
    server: LocalElevenLabsServer

    async def say(self, text: str, silence_ms: int = 500, rate: int = RATE) -> None:
        """Speak, and pause."""
        pcm = spoken(text, rate).pcm + bytes(2 * rate * silence_ms // 1000)
        for start in range(0, len(pcm), 640):
            await self.bot.worker.queue_frame(InputAudioRawFrame(pcm[start : start + 640], rate, 1))

    def words(self, since: int = 0) -> str:
        """The words in the sound that came from the service."""
        frames = self.bot.down.of(TTSAudioRawFrame)[since:]
        return heard(Sound(b"".join(frame.audio for frame in frames), frames[0].sample_rate))


class Ticking:
    """Lets a virtual clock go in small steps, so that bytes that are slow to arrive do not cost seconds of it."""

    def __enter__(self) -> None:
        self._tick()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(0.005, self._tick)


@asynccontextmanager
async def talking(
    *agents: Agent,
    prepare: Callable[[ElevenLabsConvAIService], None] = lambda llm: None,
    server_options: dict[str, Any] | None = None,
    around: Callable[[ElevenLabsConvAIService], list[Any]] = lambda llm: [llm],
    **options: Any,
) -> AsyncIterator[Talk]:
    """A service that is talking with the first agent."""
    wire, agents = Wire(), agents or (Agent("agent_1"),)
    async with convai_server(
        *agents, **{"pace": FAST, "on_event": wire.saw, **(server_options or {})}
    ) as server:
        given = {
            "api_key": "k",
            "agent_id": agents[0].agent_id,
            "base_url": server.api_url,
            "reconnect": QUICK,
        }
        llm = ElevenLabsConvAIService(**{**given, **options})
        prepare(llm)
        with Ticking():
            async with running(*around(llm)) as bot:
                yield Talk(bot, wire, llm, server)
