"""A conversation with the local server that goes on whenever the connection is cut (promises P-3, P-4, P-6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipecat.services.llm_service import FunctionCallParams

from tests.support.tones import heard_in, spoken, tone_server
from tests.support.wires import named, wire
from tests.support.wires import service as service_of_the_wire
from voicepipe.audio.resampler import AudioResampler
from voicepipe.local import Pace
from voicepipe.local.faults import Fault, Faults
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.link import Reconnect
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
)
from voicepipe.transports.wav_file import WavFileTransport

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("both_wires")]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FOG = "In Paris it is 21 degrees and fog."


def service(url: str, *, transcribed: bool = True, **options) -> OpenAIRealtimeLLMService:
    transcription = InputAudioTranscription() if transcribed else None
    properties = SessionProperties(
        tools=[WEATHER], audio=AudioConfiguration(input=AudioInput(transcription=transcription))
    )
    llm = service_of_the_wire(properties, api_key="k", base_url=url, **options)

    async def weather(params: FunctionCallParams) -> None:
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    llm.register_function("get_weather", weather)
    return llm


async def call(tmp_path: Path, *questions: str, faults: Faults, **options) -> tuple[str, list[str]]:
    """Hold a conversation; returns what the caller heard, and the names of what happened to the connection."""
    transport = WavFileTransport([spoken(q) for q in questions], answer_path=tmp_path / "answer.wav")
    happened: list[str] = []
    async with tone_server(wire=wire(), faults=faults, pace=Pace(delta_ms=100, speed=2.0)) as server:
        llm = service(server.url, **options)

        @llm.event_handler("on_resumed")
        async def resumed(_llm: OpenAIRealtimeLLMService) -> None:
            happened.append("resumed")

        @llm.event_handler("on_disconnected")
        async def disconnected(_llm: OpenAIRealtimeLLMService, reason: str) -> None:
            happened.append("disconnected")

        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
        assert result.reason == "ended", result
        assert not transport.unanswered
    return heard_in(tmp_path / "answer.wav"), happened


# At the event of which the connection breaks, before it is delivered; the turn is the first of the two questions.
POINTS = {
    "before the settings are confirmed": ("session.updated", 1),
    "while the caller speaks": ("input_audio_buffer.append", 30),
    "when the server hears speech": ("input_audio_buffer.speech_started", 1),
    "when the turn ends": ("input_audio_buffer.speech_stopped", 1),
    "when the turn is committed": ("input_audio_buffer.committed", 1),
    "when its words are known": ("conversation.item.input_audio_transcription.completed", 1),
    "before the answer begins": ("response.created", 1),
    "inside the function call": ("response.function_call_arguments.done", 1),
    "before the call's response ends": ("response.done", 1),
    "when the function gives its result": ("conversation.item.create", 1),
    "before the answer to the result begins": ("response.created", 2),
    "before the first sound": ("response.output_audio.delta", 1),
    "at the end of the answer": ("response.done", 2),
}


@pytest.mark.parametrize(
    ("point", "transcribed"),
    [
        pytest.param(point, transcribed, id=f"{point}{'' if transcribed else ', not transcribed'}")
        for point, (at, _) in POINTS.items()
        for transcribed in (True, False)
        if transcribed or "transcription" not in at
    ],
)
async def test_p6_wherever_the_connection_breaks_the_answer_is_heard(tmp_path, point, transcribed):
    at, nth = POINTS[point]
    said, happened = await call(
        tmp_path,
        "what is the weather in paris",
        "hello",
        faults=Faults([Fault(at=named(at), nth=nth, do="drop")]),
        transcribed=transcribed,
    )
    assert FOG in said
    assert "Hello! How can I help you?" in said
    assert said.count("Hello! How can I help you?") == 1
    assert "disconnected" in happened


@pytest.mark.parametrize("close_code", [1000, 1001, 1006, 1011, 4000, None])
async def test_inside_the_sound_the_answer_goes_on(tmp_path, close_code):
    fault = Fault(at=named("response.output_audio.delta"), nth=12, do="drop")
    if close_code is not None and close_code != 1006:
        fault = Fault(at=named("response.output_audio.delta"), nth=12, do="close", close_code=close_code)
    said, happened = await call(tmp_path, "count to twenty", "hello", faults=Faults([fault]))
    assert "one, two, three" in said.lower()
    assert "nineteen, twenty" in said
    assert "Hello! How can I help you?" in said
    assert happened == ["disconnected", "resumed"]


async def test_inside_the_sound_the_answer_is_left_at_that_if_so_wished(tmp_path):
    fault = Fault(at=named("response.output_audio.delta"), nth=5, do="drop")
    said, _ = await call(tmp_path, "count to twenty", "hello", faults=Faults([fault]), resume_answers=False)
    assert "twenty" not in said
    assert said.endswith("Hello! How can I help you?")


async def test_the_end_comes_with_a_clear_error_after_so_many_tries(tmp_path):
    faults = Faults([Fault(at="session.updated", nth=n, do="drop") for n in range(1, 20)])
    transport = WavFileTransport(spoken("hello"))
    async with tone_server(wire=wire(), faults=faults) as server:
        llm = service(server.url, reconnect=Reconnect(tries=3))
        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    assert result.reason == "failed"
    assert "closed the connection" in result.detail


async def test_p3_an_hours_limit_is_not_noticed(tmp_path):
    # A session of some seconds stands for one of an hour; the questions take four times as long.
    questions = ["count to twenty"] * 8 + ["what did you say"]
    transport = WavFileTransport([spoken(q) for q in questions], answer_path=tmp_path / "answer.wav")
    resumed = 0
    async with tone_server(wire=wire(), session_secs=12) as server:
        llm = service(server.url, reconnect=Reconnect(renew_after_secs=8))

        @llm.event_handler("on_resumed")
        async def count(_llm: OpenAIRealtimeLLMService) -> None:
            nonlocal resumed
            resumed += 1

        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    assert result.reason == "ended"
    assert not transport.unanswered
    assert resumed >= 3
    said = heard_in(tmp_path / "answer.wav")
    assert said.count("one, two, three") >= 9, "each answer, and its repetition from the history"
