"""A caller, a local server and an agent's session between them, all in tones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.local.elevenlabs.caller import convai_server
from tests.services.elevenlabs.convai.talk import Ticking
from tests.support.tones import spoken, tone_server
from voicepipe.agents import Agent, AgentSession, elevenlabs, realtime, realtime_beta
from voicepipe.agents.emitter import EVENTS
from voicepipe.agents.model import RealtimeModelBase
from voicepipe.local import LocalServer
from voicepipe.local import elevenlabs as far
from voicepipe.transports.sound import Sound
from voicepipe.transports.wav_file import Question, WavFileTransport


@dataclass
class Seen:
    """All that a session's handlers were told, in its order."""

    told: list[tuple[str, Any]] = field(default_factory=list)

    def of(self, name: str) -> list[Any]:
        return [payload for event, payload in self.told if event == name]


def watch(session: AgentSession) -> Seen:
    seen = Seen()
    for name in EVENTS:
        session.on(name, lambda payload, name=name: seen.told.append((name, payload)))
    return seen


def after(secs: float, text: str) -> Question:
    """Something that a caller says after having listened for a while."""
    sound = spoken(text)
    return Question(Sound(bytes(2 * round(secs * sound.sample_rate)) + sound.pcm, sound.sample_rate))


@dataclass
class Wire:
    """What clients and server sent."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def sent(self, type_: str) -> list[dict[str, Any]]:
        return [event for way, event in self.events if way == "in" and event["type"] == type_]

    def errors(self) -> list[dict[str, Any]]:
        return [event for way, event in self.events if way == "out" and event["type"] == "error"]


@dataclass
class Local:
    server: LocalServer
    wire: Wire

    def model(self, **kwargs: Any) -> realtime.RealtimeModel:
        turns = realtime.ServerVad(silence_duration_ms=200)
        return realtime.RealtimeModel(
            **{"api_key": "k", "base_url": self.server.url, "turn_detection": turns, **kwargs}
        )


@asynccontextmanager
async def local(**kwargs: Any) -> AsyncIterator[Local]:
    wire = Wire()
    async with tone_server(
        on_event=lambda way, event: wire.events.append((way, dict(event))), **kwargs
    ) as server:
        yield Local(server, wire)


@dataclass
class Engine:
    """A realtime API of the three, served here; `model` makes what a session takes as `llm`."""

    name: str
    wire: Wire
    _make: Callable[..., RealtimeModelBase]

    @property
    def is_elevenlabs(self) -> bool:
        return self.name == "elevenlabs"

    def model(self, **kwargs: Any) -> RealtimeModelBase:
        return self._make(**kwargs)


ENGINES = ("realtime", "realtime_beta", "elevenlabs")
ALLOWED = ("agent.prompt.prompt", "agent.first_message", "agent.language", "tts.voice_id")


@asynccontextmanager
async def engine(name: str, *tools: str, **kwargs: Any) -> AsyncIterator[Engine]:
    """One of `ENGINES`; `tools` are the names of those that are set at ElevenLabs."""
    if name != "elevenlabs":
        module = {"realtime": realtime, "realtime_beta": realtime_beta}[name]
        wire = {"realtime": "ga", "realtime_beta": "beta"}[name]
        turns = module.ServerVad(silence_duration_ms=200)
        async with local(wire=wire, **kwargs) as here:
            given = {"api_key": "k", "base_url": here.server.url, "turn_detection": turns}
            yield Engine(name, here.wire, lambda **more: module.RealtimeModel(**{**given, **more}))
        return
    wire = Wire()
    agent = far.Agent(
        "agent_1", tools=[far.ClientTool(tool) for tool in tools], allows=ALLOWED, turn_eagerness="eager"
    )
    async with convai_server(
        agent, on_event=lambda way, event: wire.events.append((way, dict(event))), **kwargs
    ) as server:
        given = {"api_key": "k", "agent_id": "agent_1", "base_url": server.api_url}
        with Ticking():
            yield Engine(name, wire, lambda **more: elevenlabs.RealtimeModel(**{**given, **more}))


def caller(*questions: str | Question, **kwargs: Any) -> WavFileTransport:
    return WavFileTransport(
        [spoken(question) if isinstance(question, str) else question for question in questions], **kwargs
    )


async def call(
    session: AgentSession, agent: Agent, room: WavFileTransport, llm: Any = None, **parts: Any
) -> Any:
    """The session from its start to its end, as the caller's last question is answered."""
    await session.start(agent=agent, room=room, llm=llm, **parts)
    return await session.wait_closed()
