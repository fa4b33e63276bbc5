"""Recordings of the beta wire and of ElevenLabs, run again without being told how their services were made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loguru import logger
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from typer.testing import CliRunner

from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import WEATHER, recorded_call, weather
from voicepipe.cli.app import app
from voicepipe.frames import Frame, InputImageRawFrame, LLMContextFrame, TTSStartedFrame
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs import Agent, ClientTool, LocalElevenLabsServer
from voicepipe.local.speech.engines import speech_engine
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.service import RealtimeService
from voicepipe.replay import differences, recorded_bot, replay, story_of
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
from voicepipe.services.openai_realtime_beta import (
    InputAudioTranscription,
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
)
from voicepipe.telemetry.recording import CallRecorder, Recording
from voicepipe.transports.wav_file import Question, WavFileTransport

QUESTIONS = [
    Question(spoken("what is the weather in paris")),
    Question(spoken("tell me a story")),
    Question(spoken("hello"), barge_in_after_ms=900),
]


async def record(folder: Path, llm: RealtimeService) -> Recording:
    llm.register_function("get_weather", weather)
    transport = WavFileTransport(QUESTIONS)
    pipeline = Pipeline([transport.input(), llm, transport.output()])
    await run(pipeline, observers=[CallRecorder(folder, [llm])], handle_signals=False)
    return Recording(folder)


def beta(server: LocalServer, **options: str) -> OpenAIRealtimeBetaLLMService:
    properties = SessionProperties(
        instructions="Be kind.", tools=[WEATHER], input_audio_transcription=InputAudioTranscription()
    )
    return OpenAIRealtimeBetaLLMService(
        api_key="k", base_url=server.url, session_properties=properties, **options
    )


async def is_replayed(recording: Recording, service: type[RealtimeService]) -> None:
    [llm] = recorded_bot(recording)()
    assert isinstance(llm, service)
    first = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    again = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    assert first.hash == again.hash
    assert [str(one) for one in differences(story_of(recording.entries), story_of(first.entries))] == []
    told = "\n".join(line.what for line in story_of(first.entries))
    assert "get_weather" in told
    assert "says: " in told


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("speaks", "wire"), [("beta", "auto"), ("beta", "beta"), ("ga", "ga"), ("ga", "auto")]
)
async def test_the_beta_service(tmp_path: Path, speaks, wire):
    logger.disable("voicepipe")
    try:
        async with tone_server(wire=speaks) as server:
            recording = await record(tmp_path / "call", beta(server, wire=wire))
        await is_replayed(recording, OpenAIRealtimeBetaLLMService)
    finally:
        logger.enable("voicepipe")


@pytest.mark.virtual_time
async def test_the_elevenlabs_service(tmp_path: Path):
    brain = ScriptBrain(Script.default())
    agent = Agent("agent_1", tools=[ClientTool("get_weather")])
    async with LocalElevenLabsServer([agent], speech=speech_engine("tones"), brain=brain) as convai:
        llm = ElevenLabsConvAIService(
            api_key="k", agent_id="agent_1", base_url=convai.api_url, dynamic_variables={"name": "Ann"}
        )
        recording = await record(tmp_path / "call", llm)
    assert recording.opening()["dynamic_variables"] == {"name": "Ann"}
    await is_replayed(recording, ElevenLabsConvAIService)


class Camera(FrameProcessor):
    """Shows the bot something when it begins to speak: three images at once, and a context."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStartedFrame):
            for _ in range(3):
                await self.push_frame(InputImageRawFrame(image=bytes(12), size=(2, 2), format="RGB"))


@pytest.mark.virtual_time
async def test_what_cannot_be_replayed_is_said(tmp_path: Path):
    question = Question(spoken("hello"))
    async with recorded_call(tmp_path / "call", question, around=lambda llm: [llm, Camera()]) as (
        recording,
        _,
        _,
    ):
        pass
    [seen] = recording.frames("InputImageRawFrame")
    assert seen["fields"] == {"size": [2, 2], "format": "RGB"}
    replayed = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    assert replayed.not_replayed == {"InputImageRawFrame": 1}
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["replay", str(recording.folder)])
    assert "1 InputImageRawFrame reached the bot in the call and cannot be replayed" in shown.output
    assert LLMContextFrame.__name__ not in shown.output
