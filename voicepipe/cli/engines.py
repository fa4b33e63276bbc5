"""The realtime APIs that the demo can talk with: for each, where it is served and which bot talks there.

`ENGINES` is the table; another API is another row.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from voicepipe.cli.engine_name import EngineName
from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.local import LocalServer
from voicepipe.local.brain import Brain
from voicepipe.local.elevenlabs import Agent, ClientTool, LocalElevenLabsServer
from voicepipe.local.speech.engines import SpeechEngine
from voicepipe.offline import live_url
from voicepipe.realtime.service import RealtimeService
from voicepipe.services import openai_realtime_beta as beta
from voicepipe.services.elevenlabs.convai import DEFAULT_URL as ELEVENLABS_URL
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.service import DEFAULT_MODEL
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.services.openai_realtime_beta.service import DEFAULT_MODEL as BETA_MODEL

_INSTRUCTIONS: Final = "You are a friendly assistant on a telephone. Answer in one or two short sentences."
_TOOLS: Final = (
    {
        "type": "function",
        "name": "get_weather",
        "description": "The weather in a city, now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    {
        "type": "function",
        "name": "get_order_status",
        "description": "Where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
)
_LOCAL_AGENT: Final = "demo"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bot finds its API.

    Parameters:
        url: What the bot's service takes as its `base_url`.
        api_key: The key; any will do locally.
        who: The model or the agent.
    """

    url: str
    api_key: str
    who: str


@dataclass(frozen=True, slots=True)
class Engine:
    """One realtime API.

    Parameters:
        serve: Serves it on this machine; takes speech, a brain, a port and the model, if one was named.
        live: Says where it is in earnest; takes the model, if one was named.
        bot: Makes the service that talks there.
    """

    serve: Callable[[SpeechEngine, Brain, int, str | None], AbstractAsyncContextManager[Place]]
    live: Callable[[str | None], Place]
    bot: Callable[[Place], RealtimeService]


def _from_environment(*variables: str) -> list[str]:
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        raise ConnectionRefused(f"--live needs a key: set {' and '.join(missing)}", "authentication")
    return [os.environ[name] for name in variables]


# OpenAI.


@asynccontextmanager
async def _serve_openai(
    speech: SpeechEngine, brain: Brain, port: int, model: str | None
) -> AsyncGenerator[Place]:
    async with LocalServer(speech=speech, brain=brain, port=port) as server:
        yield Place(server.url, "local", model or DEFAULT_MODEL)


def _live_openai(model: str | None) -> Place:
    """Return OpenAI's address, or that of whatever OPENAI_BASE_URL names in its place."""
    [key] = _from_environment("OPENAI_API_KEY")
    return Place(live_url(), key, model or DEFAULT_MODEL)


def _openai_bot(place: Place) -> RealtimeService:
    properties = SessionProperties(
        instructions=_INSTRUCTIONS,
        audio=AudioConfiguration(
            input=AudioInput(transcription=InputAudioTranscription(), turn_detection=TurnDetection())
        ),
        tools=list(_TOOLS),
    )
    return OpenAIRealtimeLLMService(
        api_key=place.api_key, model=place.who, base_url=place.url, session_properties=properties
    )


# OpenAI's beta wire, as older gateways speak it.


@asynccontextmanager
async def _serve_beta(
    speech: SpeechEngine, brain: Brain, port: int, model: str | None
) -> AsyncGenerator[Place]:
    async with LocalServer(speech=speech, brain=brain, port=port, wire="beta") as server:
        yield Place(server.url, "local", model or BETA_MODEL)


def _live_beta(model: str | None) -> Place:
    place = _live_openai(model)
    return Place(place.url, place.api_key, model or BETA_MODEL)


def _beta_bot(place: Place) -> RealtimeService:
    properties = beta.SessionProperties(
        instructions=_INSTRUCTIONS,
        input_audio_transcription=beta.InputAudioTranscription(),
        turn_detection=beta.TurnDetection(),
        tools=list(_TOOLS),
    )
    return OpenAIRealtimeBetaLLMService(
        api_key=place.api_key, model=place.who, base_url=place.url, session_properties=properties
    )


# ElevenLabs, where model, instructions and tools are the agent's.


@asynccontextmanager
async def _serve_elevenlabs(
    speech: SpeechEngine, brain: Brain, port: int, model: str | None
) -> AsyncGenerator[Place]:
    _refuse_model(model)
    tools = [ClientTool(str(one["name"]), str(one["description"])) for one in _TOOLS]
    agent = Agent(_LOCAL_AGENT, prompt=_INSTRUCTIONS, tools=tools)
    async with LocalElevenLabsServer([agent], speech=speech, brain=brain, port=port) as server:
        yield Place(server.api_url, "local", agent.agent_id)


def _live_elevenlabs(model: str | None) -> Place:
    """Return ElevenLabs' address, or that of whatever ELEVENLABS_BASE_URL names in its place."""
    _refuse_model(model)
    key, agent_id = _from_environment("ELEVENLABS_API_KEY", "ELEVENLABS_AGENT_ID")
    return Place(os.environ.get("ELEVENLABS_BASE_URL") or ELEVENLABS_URL, key, agent_id)


def _refuse_model(model: str | None) -> None:
    if model is not None:
        raise SettingsError("model", "is the agent's own at ElevenLabs; leave --model out")


def _elevenlabs_bot(place: Place) -> RealtimeService:
    return ElevenLabsConvAIService(api_key=place.api_key, agent_id=place.who, base_url=place.url)


ENGINES: Final[Mapping[EngineName, Engine]] = MappingProxyType(
    {
        EngineName.OPENAI: Engine(_serve_openai, _live_openai, _openai_bot),
        EngineName.OPENAI_BETA: Engine(_serve_beta, _live_beta, _beta_bot),
        EngineName.ELEVENLABS: Engine(_serve_elevenlabs, _live_elevenlabs, _elevenlabs_bot),
    }
)
