"""A recorded call with the local server: a caller in tones, a barge-in, a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pipecat.processors.frame_processor import FrameProcessor

from tests.support.tones import spoken, tone_server
from voicepipe.local import LocalServer
from voicepipe.pipeline import Pipeline, RunResult, run
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.telemetry.recording import CallRecorder, Recording
from voicepipe.testing import VirtualTimeLoop
from voicepipe.transports.wav_file import Question, WavFileTransport

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def properties(**more: Any) -> SessionProperties:
    ears = AudioInput(transcription=InputAudioTranscription(), turn_detection=TurnDetection())
    return SessionProperties(
        instructions="Be kind.", audio=AudioConfiguration(input=ears), tools=[WEATHER], **more
    )


async def weather(params: Any) -> None:
    await asyncio.sleep(0.05)
    await params.result_callback({"city": "Paris", "temperature": 18, "conditions": "a clear sky"})


def service(url: str, **options: Any) -> OpenAIRealtimeLLMService:
    llm = OpenAIRealtimeLLMService(
        api_key="sk-planted-0123456789abcdef", base_url=url, session_properties=properties(), **options
    )
    llm.register_function("get_weather", weather)
    return llm


QUESTIONS = (
    Question(spoken("what is the weather in paris")),
    Question(spoken("tell me a story")),
    Question(spoken("my card number is four one one one"), barge_in_after_ms=900),
)


@asynccontextmanager
async def recorded_call(
    folder: Path,
    *questions: Question,
    prepare: Callable[[LocalServer], None] = lambda _: None,
    around: Callable[[FrameProcessor], list[FrameProcessor]] = lambda llm: [llm],
    recorder_options: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Recording, WavFileTransport, RunResult]]:
    """Hold a conversation and record it."""
    stereo = folder.parent / "stereo.wav"
    transport = WavFileTransport(list(questions or QUESTIONS), stereo_path=stereo, sample_rate=16000)
    async with tone_server() as server:
        prepare(server)
        llm = service(server.url, **options)
        recorder = CallRecorder(folder, [llm], **(recorder_options or {}))
        pipeline = Pipeline([transport.input(), *around(llm), transport.output()])
        result = await run(pipeline, observers=[recorder], handle_signals=False)
    yield Recording(folder), transport, result


async def _record(folder: Path) -> None:
    async with recorded_call(folder):
        pass


@pytest.fixture(scope="session")
def recorded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "call"
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_record(folder))
    return folder


@pytest.fixture
def call(recorded_folder: Path) -> Recording:
    return Recording(recorded_folder)
