"""One scenario, three services: the same frames in the same order, whichever API answers.

Each scene is played over OpenAI's GA wire, its beta wire and ElevenLabs' wire, each against its local server in tones.
Compared are the frames that go downstream, runs of the same kind written once. `DIFFERENCES` is all there is to tell them
apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import pytest
from pipecat.services.llm_service import FunctionCallParams

from tests.support.pipelines import Running, running
from tests.support.tones import heard, spoken
from voicepipe.frames import (
    EndFrame,
    ErrorFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.local import LocalServer, Pace
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs import Agent, ClientTool, LocalElevenLabsServer
from voicepipe.local.faults import Fault, Faults
from voicepipe.local.speech.engines import speech_engine
from voicepipe.realtime.service import RealtimeService
from voicepipe.services import openai_realtime_beta as beta
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
from voicepipe.services.openai import realtime as ga
from voicepipe.transports.sound import Sound

NAMES = ("openai", "openai-beta", "elevenlabs")
KINDS = (
    UserStartedSpeakingFrame,
    InterruptionFrame,
    UserStoppedSpeakingFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    TTSAudioRawFrame,
    LLMTextFrame,
    TTSTextFrame,
    TTSStoppedFrame,
    LLMFullResponseEndFrame,
    FunctionCallsStartedFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
)
SCRIPT = Script.model_validate(
    {
        "otherwise": "Fine.",
        "rules": [
            {
                "hear": "both",
                "call": [{"name": "weather", "arguments": {}}, {"name": "clock", "arguments": {}}],
                "then": "Both are known.",
            },
            {"hear": "count", "say": "One two three four five six seven eight nine ten eleven twelve."},
            {"hear": "tell", "say": " ".join(["A long story that goes on and on."] * 5) + " The end."},
            {"hear": "hello", "say": "Hello to you."},
        ],
    }
)
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
TOOLS = [
    {"type": "function", "name": name, "description": name, "parameters": PARAMETERS}
    for name in ("weather", "clock")
]


@dataclass
class Stage:
    """A service in a running pipeline, and the one who talks with it."""

    name: str
    bot: Running
    llm: RealtimeService

    async def say(self, text: str) -> None:
        """Speak in real time, with silence after it until the turn is over."""
        pcm = spoken(text).pcm + bytes(48 * 900)
        for at in range(0, len(pcm), 960):
            await self.bot.worker.queue_frame(InputAudioRawFrame(pcm[at : at + 960], 24000, 1))
            await asyncio.sleep(0.02)

    async def answers(self, count: int) -> None:
        await self.bot.down.wait_for(LLMFullResponseEndFrame, count=count)

    def words(self) -> str:
        """What all answers together sound like."""
        frames = self.bot.down.of(TTSAudioRawFrame)
        return heard(Sound(b"".join(frame.audio for frame in frames), frames[0].sample_rate))

    def trace(self) -> list[str]:
        names = [_short(name) for name in self.bot.down.names(*KINDS)]
        return [name for name, _ in groupby(names)]


def _short(name: str) -> str:
    """The bot's words and sound come interleaved as the wire has them: together they are one thing here."""
    return (
        "speech"
        if name in ("TTSAudioRawFrame", "LLMTextFrame", "TTSTextFrame")
        else name.removesuffix("Frame")
    )


@asynccontextmanager
async def served(name: str, pace: Pace, fault: Fault | None) -> AsyncIterator[RealtimeService]:
    """A service whose local server runs."""
    common: dict[str, Any] = {
        "speech": speech_engine("tones"),
        "brain": ScriptBrain(SCRIPT),
        "pace": pace,
        "faults": Faults([fault] if fault else []),
    }
    if name == "elevenlabs":
        agent = Agent("agent_1", tools=[ClientTool("weather"), ClientTool("clock")])
        async with LocalElevenLabsServer([agent], **common) as convai:
            yield ElevenLabsConvAIService(api_key="k", agent_id="agent_1", base_url=convai.api_url)
        return
    async with LocalServer(wire="ga" if name == "openai" else "beta", **common) as server:
        if name == "openai":
            sound = ga.AudioConfiguration(input=ga.AudioInput(transcription=ga.InputAudioTranscription()))
            properties = ga.SessionProperties(audio=sound, tools=TOOLS)
            yield ga.OpenAIRealtimeLLMService(api_key="k", base_url=server.url, session_properties=properties)
        else:
            old = beta.SessionProperties(
                input_audio_transcription=beta.InputAudioTranscription(), tools=TOOLS
            )
            yield beta.OpenAIRealtimeBetaLLMService(
                api_key="k", base_url=server.url, session_properties=old, wire="beta"
            )


Scene: TypeAlias = Callable[[Stage], Awaitable[None]]


async def spoken_turn(stage: Stage) -> None:
    await stage.say("hello")
    await stage.answers(1)
    assert "Hello to you." in stage.words()
    [words] = await stage.bot.up.wait_for(TranscriptionFrame)
    assert words.text == "hello"


async def text_turn(stage: Stage) -> None:
    message = {"role": "user", "content": "hello"}
    await stage.bot.worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))
    await stage.answers(1)
    assert "Hello to you." in stage.words()


async def two_tools(stage: Stage) -> None:
    both = asyncio.Barrier(2)

    async def tool(params: FunctionCallParams) -> None:
        # Neither would be done if they did not run together.
        await both.wait()
        await params.result_callback({"known": params.function_name})

    stage.llm.register_function("weather", tool)
    stage.llm.register_function("clock", tool)
    await stage.say("both")
    await stage.bot.down.wait_for(TTSStoppedFrame)
    await stage.bot.down.wait_for(FunctionCallResultFrame, count=2)
    assert "Both are known." in stage.words()


async def barge_in(stage: Stage) -> None:
    await stage.say("tell")
    await stage.bot.down.wait_for(TTSAudioRawFrame, count=5)
    await stage.say("hello")
    await stage.answers(2)
    assert "The end." not in stage.words()
    assert "Hello to you." in stage.words()


async def settings_change(stage: Stage) -> None:
    change = LLMUpdateSettingsFrame(settings={"instructions": "Be brief."})
    await stage.bot.worker.queue_frame(change)
    await stage.say("hello")
    await stage.answers(1)
    assert not stage.bot.up.of(ErrorFrame)
    await stage.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instrucsions": "?"}))
    [refused] = await stage.bot.up.wait_for(ErrorFrame)
    assert "instrucsions" in refused.error


async def socket_drop(stage: Stage) -> None:
    await stage.say("hello")
    await stage.bot.down.wait_for(TTSStartedFrame)
    await stage.answers(1)
    await asyncio.sleep(2)
    await stage.say("count")
    await stage.answers(3)
    assert "twelve" in stage.words()


async def hang_up_in_mid_answer(stage: Stage) -> None:
    await stage.say("count")
    await stage.bot.down.wait_for(TTSAudioRawFrame, count=3)
    await stage.bot.worker.queue_frame(EndFrame())
    await stage.bot.ended


SCENES: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (
        spoken_turn,
        text_turn,
        two_tools,
        barge_in,
        settings_change,
        socket_drop,
        hang_up_in_mid_answer,
    )
}
DROPS = {
    "openai": Fault(at="response.output_audio.delta", nth=2, do="drop"),
    "openai-beta": Fault(at="response.audio.delta", nth=2, do="drop"),
    "elevenlabs": Fault(at="audio", nth=2, do="drop"),
}

DIFFERENCES = {
    ("two_tools", "elevenlabs"): (
        "The wire does not tell the end of what calls a function, so that response ends with the first result; the order of "
        "the calls' frames, and that of all others, is the same."
    ),
}


def compared(scene: str, name: str, trace: list[str]) -> list[list[str]]:
    """Return what of a trace has to be the same as with the GA service: all of it, or its parts where they differ."""
    if (scene, name) not in DIFFERENCES:
        return [trace]
    calls = [kind for kind in trace if kind.startswith("FunctionCall")]
    others = [kind for kind in trace if not kind.startswith("FunctionCall")]
    return [[kind for kind, _ in groupby(part)] for part in (calls, others)]


async def play(name: str, scene: str) -> list[str]:
    pace = Pace(delta_ms=100, speed=1.5)
    fault = DROPS[name] if scene == "socket_drop" else None
    async with served(name, pace, fault) as llm, running(llm) as bot:
        stage = Stage(name, bot, llm)
        async with asyncio.timeout(60):
            await SCENES[scene](stage)
    return stage.trace()


@pytest.mark.virtual_time
@pytest.mark.parametrize("scene", SCENES)
async def test_the_frames_are_those_of_the_ga_service(scene):
    traces = {name: await play(name, scene) for name in NAMES}
    for name in NAMES[1:]:
        assert compared(scene, name, traces[name]) == compared(scene, name, traces["openai"]), name
    differ = {name for name in NAMES if traces[name] != traces["openai"]}
    assert differ == {name for of, name in DIFFERENCES if of == scene}


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", ["openai", "openai-beta"])
async def test_a_manual_turn_where_the_api_has_it(name):
    off = {
        "openai": {"audio": {"input": {"turn_detection": False}}},
        "openai-beta": {"turn_detection": False},
    }
    async with served(name, Pace(), None) as llm, running(llm) as bot:
        stage = Stage(name, bot, llm)
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=off[name]))
        await bot.worker.queue_frame(UserStartedSpeakingFrame())
        await stage.say("hello")
        await bot.worker.queue_frame(UserStoppedSpeakingFrame())
        await stage.answers(1)
        assert "Hello to you." in stage.words()
    assert stage.trace() == [
        "UserStartedSpeaking",
        "UserStoppedSpeaking",
        "LLMFullResponseStart",
        "speech",
        "TTSStarted",
        "speech",
        "TTSStopped",
        "LLMFullResponseEnd",
    ]


@pytest.mark.virtual_time
async def test_where_the_api_has_none_it_says_so():
    async with served("elevenlabs", Pace(), None) as llm, running(llm) as bot:
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"turn_detection": False}))
        [refused] = await bot.up.wait_for(ErrorFrame)
        assert "turn_detection" in refused.error
