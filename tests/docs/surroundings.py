"""What the pages of the documentation take for granted, so that their code runs: servers in tones, keys, a bot, a caller.

`SURROUNDINGS` has a function for each page that needs something. It yields a `Stage`; what it started, it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import prometheus_client
import pytest
import soundfile
from loguru import logger
from openai import AsyncOpenAI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from websockets.asyncio.server import serve

import voicepipe
from tests.agents.calls import local as local_agents
from tests.agents.tone_services import ScriptLLM, ToneSTT, ToneTTS
from tests.support.pipelines import running
from tests.support.tones import heard_in, spoken, tone_server
from voicepipe import OpenAIRealtimeLLMService, Pipeline, WavFileTransport
from voicepipe import frames as all_frames
from voicepipe.agents import Agent, AgentSession, SilentRoom
from voicepipe.local import Fault, Faults, LocalServer, carriers
from voicepipe.local import proxy as proxies
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.carriers import LocalCall
from voicepipe.local.speech import engines
from voicepipe.phone import OpenAIRealtime, Phone, Twilio
from voicepipe.services import openai_realtime_beta as beta
from voicepipe.services.openai import realtime as ga
from voicepipe.telemetry import Turn
from voicepipe.telemetry.latency import Latencies
from voicepipe.transports import telephony
from voicepipe.transports.sound import read_wav

DEFAULT_ADDRESS = "ws://127.0.0.1:8765/v1/realtime"
QUESTION = "question.wav"
SECRET = "0123456789abcdef"


async def _nothing() -> None:
    """Nothing more is to be looked at."""


@dataclass
class Stage:
    """Where a page's code runs.

    Parameters:
        names: What the code finds; what it makes is there afterwards.
        replaced: Texts of the code for which others stand, e.g. addresses.
        check: Looks at what came out.
    """

    names: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    check: Callable[[], Awaitable[None]] = _nothing


Surrounding = Callable[[Stage, pytest.MonkeyPatch], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def around(page: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """The stage for a page."""
    names = {name: getattr(voicepipe, name) for name in voicepipe.__all__}
    stage = Stage({"__name__": "page", "asyncio": asyncio, **names})
    speech = engines.speech_engine
    # Real speech takes real time.
    monkeypatch.setattr(engines, "speech_engine", lambda _name="local": speech("tones"))
    monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")
    for key in ("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(key, "any")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("PORT", "0")
    _write_question("hello")
    errors: list[str] = []
    # What fails in a handler or a function is logged, and is a page's fault all the same.
    sink = logger.add(errors.append, level="ERROR", format="{message}")
    try:
        async with SURROUNDINGS.get(page, nothing_around)(stage, monkeypatch):
            yield stage
    finally:
        # A page may have set up a log of its own.
        with suppress(ValueError):
            logger.remove(sink)
    assert not errors


def _write_question(words: str) -> None:
    sound = spoken(words)
    soundfile.write(QUESTION, np.frombuffer(sound.pcm, np.int16), sound.sample_rate)


async def _get_weather(params: FunctionCallParams) -> None:
    await params.result_callback({"temperature": 21})


@asynccontextmanager
async def nothing_around(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def readme(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with tone_server() as server:
        stage.replaced[DEFAULT_ADDRESS] = server.url

        async def check() -> None:
            assert heard_in(Path("answer.wav")) == "Hello! How can I help you?"

        stage.check = check
        yield


@asynccontextmanager
async def agents(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    session = AgentSession()
    # The session of a test has a realtime model; the others on the page have a chain of services.
    stage.replaced["AgentSession(llm=llm)"] = "AgentSession(llm=model)"
    stage.names.update(
        session=session,
        agent=Agent(instructions=""),
        room=WavFileTransport(spoken("hello"), answer_path="answer.wav"),
        stt=ToneSTT(),
        llm=ScriptLLM(),
        tts=ToneTTS(),
        SileroVADAnalyzer=SileroVADAnalyzer,
        AgentSession=AgentSession,
        noise_gate=FrameProcessor(),
        recorder=FrameProcessor(),
        SilentRoom=SilentRoom,
        transport=telephony.TelephonyTransport(SimpleNamespace()),
    )
    async with local_agents() as here:
        stage.names["model"] = here.model()
        yield
    await session.aclose()


@asynccontextmanager
async def convai(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    stage.names.update(transport=WavFileTransport(QUESTION), get_weather=_get_weather)
    yield


@asynccontextmanager
async def examples(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.delenv("OPENAI_API_KEY")
    yield


@asynccontextmanager
async def tutorial(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.delenv("OPENAI_API_KEY")
    printed: list[str] = []
    stage.names["print"] = lambda *words: printed.append(" ".join(map(str, words)))

    async def check() -> None:
        ended, first, second, order, heard = printed
        assert ended == "ended"
        assert first.startswith("You are the night porter")
        assert second == "Speak Spanish."
        assert order == "Your order 12 is ready."
        assert heard.startswith("I am the local voicepipe bot.")
        assert heard_in(Path("answer.wav")) == "Your order 12 is ready."

    stage.check = check
    yield


@asynccontextmanager
async def from_pipecat(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with tone_server() as server:
        transport = WavFileTransport(QUESTION, answer_path="answer.wav")
        stage.names.update(key="any", url=server.url, transport=transport)
        yield
    assert heard_in(Path("answer.wav")) == "Hello! How can I help you?"


@asynccontextmanager
async def local(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    stage.names.update(
        AsyncOpenAI=AsyncOpenAI,
        LocalServer=LocalServer,
        ScriptBrain=ScriptBrain,
        Fault=Fault,
        Faults=Faults,
        speech_engine=engines.speech_engine,
    )
    stage.names.update({name: getattr(proxies, name) for name in proxies.__all__})
    yield


@asynccontextmanager
async def openai_beta(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    stage.names.update({name: getattr(beta, name) for name in beta.__all__})
    stage.names.update(transport=WavFileTransport(QUESTION))
    yield


@asynccontextmanager
async def openai_realtime(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    items: list[str] = []

    def note(way: str, event: Any) -> None:
        if way == "out" and event["type"] == "conversation.item.done":
            items.append(event["item"]["id"])

    async with tone_server(on_event=note) as server:
        llm = OpenAIRealtimeLLMService(api_key="any", base_url=server.url)
        async with running(llm) as bot:
            said = [{"role": "user", "content": "who are you"}]
            await bot.worker.queue_frame(all_frames.LLMMessagesAppendFrame(said, run_llm=True))
            await bot.down.wait_for(all_frames.LLMFullResponseEndFrame)
            stage.names.update(
                worker=bot.worker,
                FunctionCallParams=FunctionCallParams,
                LLMUpdateSettingsFrame=all_frames.LLMUpdateSettingsFrame,
                key="any",
                running_llm=llm,
                item_id=items[-1],
                request=SimpleNamespace(request_id="mcpr_1"),
            )
            # The page makes services; what is asked in the end is asked of the one that runs.
            stage.replaced["await llm."] = "await running_llm."
            yield


@asynccontextmanager
async def calls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Pages that watch a call: a pipeline that has not run yet, for each time that it is run."""

    async def fresh_run(_pipeline: object, **kwargs: Any) -> Any:
        transport = WavFileTransport(QUESTION)
        llm = OpenAIRealtimeLLMService(api_key="any", base_url=server.url)
        pipeline = Pipeline([transport.input(), llm, transport.output()])
        return await voicepipe.run(pipeline, handle_signals=False, **kwargs)

    monkeypatch.setattr(prometheus_client, "start_http_server", lambda *_: None)
    async with tone_server() as server:
        stage.names.update(
            run=fresh_run,
            pipeline=None,
            llm=OpenAIRealtimeLLMService(api_key="any", base_url=server.url),
            over=asyncio.Event(),
            latencies=Latencies(),
            exporter=InMemorySpanExporter(),
            turn=Turn(1, 0.0),
        )
        yield
    if "provider" in stage.names:
        # It exports in a thread.
        stage.names["provider"].shutdown()


@asynccontextmanager
async def phone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The carrier is not there: a bot serves and ends, and a call out is taken and answered."""

    async def serve(self: Phone, agent: Any) -> None:
        async with self.serving(agent, public_url="https://bot.example.com"):
            pass

    async def call(self: Phone, to: str, **kwargs: Any) -> Any:
        async def result() -> str:
            return "answered"

        return SimpleNamespace(to=to, result=result, **kwargs)

    stage.names.update({name: getattr(carriers, name) for name in carriers.__all__})
    monkeypatch.setattr(Phone, "serve", serve)
    monkeypatch.setattr(Phone, "call", call)
    monkeypatch.setenv("VOICEPIPE_RECORDS", str(Path.cwd() / "calls.sqlite"))
    async with tone_server() as server, carriers.LocalCarrier("twilio", SECRET) as far:
        twilio = Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url=far.api_url)
        called = Phone(carrier=twilio, phone_number="+15550001234")
        agent = called.agent(engine=OpenAIRealtime(api_key="any", base_url=server.url))
        async with called.serving(agent, port=0) as bot:
            # The bot that a local carrier calls.
            stage.replaced["http://127.0.0.1:8000"] = bot.local_url
            stage.names.update(auth_token=SECRET, agent=agent, read_wav=read_wav)
            yield


@asynccontextmanager
async def telephone_calls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    stage.names.update({name: getattr(telephony, name) for name in telephony.__all__})
    stage.names.update({name: getattr(ga, name) for name in ga.__all__})
    async with tone_server() as server:

        async def answer(websocket: Any) -> None:
            transport = telephony.TelephonyTransport(websocket)
            llm = OpenAIRealtimeLLMService(api_key="any", base_url=server.url)
            chain = [transport.input(), voicepipe.AudioResampler(), llm, transport.output()]
            await voicepipe.run(Pipeline(chain), handle_signals=False)

        async with serve(answer, "127.0.0.1", 0, compression=None) as bot:
            port = bot.sockets[0].getsockname()[1]
            stage.replaced["ws://127.0.0.1:8000/"] = f"ws://127.0.0.1:{port}/"
            stage.replaced['"0.0.0.0", 8000'] = '"127.0.0.1", 0'
            app = SimpleNamespace(websocket=lambda _path: lambda function: function)
            stage.names.update(LocalCall=LocalCall, read_wav=read_wav, app=app, WebSocket=object)
            yield


@asynccontextmanager
async def reconnecting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    stage.names.update(llm=OpenAIRealtimeLLMService(api_key="any"))
    yield


SURROUNDINGS: dict[str, Surrounding] = {
    "README.md": readme,
    "docs/agents.md": agents,
    "docs/elevenlabs.md": convai,
    "docs/examples.md": examples,
    "docs/local-elevenlabs.md": local,
    "docs/local-server.md": local,
    "docs/moving/pipecat.md": from_pipecat,
    "docs/openai-beta.md": openai_beta,
    "docs/openai-realtime.md": openai_realtime,
    "docs/operating.md": calls,
    "docs/phone.md": phone,
    "docs/reconnecting.md": reconnecting,
    "docs/recordings.md": calls,
    "docs/records.md": calls,
    "docs/telephony.md": telephone_calls,
    "docs/tutorial.md": tutorial,
    "docs/watching.md": phone,
}
