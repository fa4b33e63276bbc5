"""Answers as text, spoken by a Pipecat TTS service further down the pipeline."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from pipecat.frames.frames import Frame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from tests.support.tones import heard_in, spoken, tone_server
from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import TTSAudioRawFrame
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.transports.wav_file import Question, WavFileTransport


class ToneTTS(TTSService):
    """A Pipecat voice that speaks in tones."""

    def __init__(self) -> None:
        settings = TTSSettings(model="tones", voice="tones", language=None)
        super().__init__(settings=settings, push_start_frame=True, push_stop_frames=True, sample_rate=24000)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        yield TTSAudioRawFrame(spoken(text).pcm, 24000, 1, context_id=context_id)


async def talk(tmp_path, *questions) -> str:
    transport = WavFileTransport(questions, answer_path=tmp_path / "answer.wav")
    async with tone_server() as server:
        llm = OpenAIRealtimeLLMService(
            api_key="k", base_url=server.url, session_properties=SessionProperties(output_modalities=["text"])
        )
        pipeline = Pipeline([transport.input(), AudioResampler(), llm, ToneTTS(), transport.output()])
        result = await run(pipeline)
    assert result.reason == "ended", result
    assert not transport.unanswered
    return heard_in(tmp_path / "answer.wav")


@pytest.mark.virtual_time
async def test_a_spoken_question_is_answered_by_the_other_voice(tmp_path):
    assert await talk(tmp_path, spoken("hello"), spoken("spell cat")) == (
        "Hello! How can I help you? C, A, T."
    )


@pytest.mark.virtual_time
async def test_a_barge_in_stops_the_other_voice(tmp_path):
    into = Question(spoken("hello"), barge_in_after_ms=600)
    said = await talk(tmp_path, spoken("count to twenty"), into)
    assert "twenty" not in said
    assert said.endswith("Hello! How can I help you?")
