"""Who may interrupt the GA service in a running pipeline."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from pipecat.processors.frame_processor import FrameDirection

from tests.services.openai.realtime.test_live_service import TRANSCRIBED
from tests.support.pipelines import Recorder
from tests.support.tones import heard_in, spoken, tone_server
from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import SettingsError
from voicepipe.frames import (
    InterruptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
)
from voicepipe.local import Pace
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.services.openai.realtime import (
    OpenAIRealtimeLLMService,
    SessionProperties,
)
from voicepipe.transports.sound import Sound
from voicepipe.transports.wav_file import Question, WavFileTransport

pytestmark = pytest.mark.virtual_time


@pytest.mark.usefixtures("both_wires")
class TestInterruptionPolicy:
    async def talk(
        self, tmp_path, policy: Interruptions, into: str, after_ms: int = 800, **options
    ) -> tuple[str, Recorder]:
        """Let a caller say something into an answer; returns what was heard and what went through the pipeline."""
        transport = WavFileTransport(
            [spoken("count to twenty"), Question(spoken(into), barge_in_after_ms=after_ms)],
            answer_path=tmp_path / "answer.wav",
            answer_timeout_secs=8,
        )
        recorder = Recorder(keep=FrameDirection.DOWNSTREAM)
        async with tone_server(pace=Pace(delta_ms=100, speed=1.5)) as server:
            llm = OpenAIRealtimeLLMService(
                api_key="k",
                base_url=server.url,
                session_properties=SessionProperties(audio=TRANSCRIBED),
                interruptions=policy,
                **options,
            )
            await run(Pipeline([transport.input(), AudioResampler(), llm, recorder, transport.output()]))
        return heard_in(tmp_path / "answer.wav"), recorder

    async def test_p20_off_and_muted_the_bot_is_not_interrupted_and_does_not_listen(self, tmp_path):
        said, recorder = await self.talk(tmp_path, Interruptions(allowed=False), "hello")
        assert said.endswith("nineteen, twenty.")
        assert len(recorder.of(UserStartedSpeakingFrame)) == 1

    async def test_p20_off_and_kept_what_was_said_is_answered_afterwards(self, tmp_path):
        policy = Interruptions(allowed=False, while_off="keep")
        said, _ = await self.talk(tmp_path, policy, "hello")
        assert said.endswith("nineteen, twenty. Hello! How can I help you?")

    async def test_p20_too_few_words_do_not_interrupt_and_are_told_as_said_aside(self, tmp_path):
        said, recorder = await self.talk(tmp_path, Interruptions(min_words=3), "hello")
        assert said.endswith("nineteen, twenty.")
        assert recorder.of(UserBackchannelFrame)[0].text == "hello"
        assert len(recorder.of(UserStartedSpeakingFrame)) == 1

    async def test_p20_enough_words_interrupt_and_are_answered(self, tmp_path):
        said, recorder = await self.talk(tmp_path, Interruptions(min_words=3), "where did you stop")
        assert "twenty" not in said
        assert "You stopped me after" in said
        assert not recorder.of(UserBackchannelFrame)

    async def test_p20_short_speech_does_not_interrupt(self, tmp_path):
        said, recorder = await self.talk(tmp_path, Interruptions(min_speech_ms=5000), "hello")
        assert said.endswith("nineteen, twenty.")
        assert len(recorder.of(InterruptionFrame)) == 1

    async def test_p20_long_speech_interrupts_while_it_goes_on(self, tmp_path):
        said, recorder = await self.talk(tmp_path, Interruptions(min_speech_ms=100), "where did you stop")
        assert "twenty" not in said
        assert "You stopped me after" in said
        assert len(recorder.of(InterruptionFrame)) == 2

    async def test_p20_after_a_noise_the_answer_goes_on_from_where_it_was_stopped(self, tmp_path):
        noise = Sound(
            np.random.default_rng(1).integers(-9000, 9000, 24000 // 2).astype(np.int16).tobytes(), 24000
        )
        transport = WavFileTransport(
            [spoken("count to twenty"), Question(noise, barge_in_after_ms=800)],
            answer_path=tmp_path / "answer.wav",
            answer_timeout_secs=8,
        )
        recorder = Recorder(keep=FrameDirection.DOWNSTREAM)
        async with tone_server(pace=Pace(delta_ms=100, speed=1.5)) as server:
            llm = OpenAIRealtimeLLMService(
                api_key="k",
                base_url=server.url,
                session_properties=SessionProperties(audio=TRANSCRIBED),
                interruptions=Interruptions(resume_after_ms=500),
            )
            await run(Pipeline([transport.input(), AudioResampler(), llm, recorder, transport.output()]))
        said = heard_in(tmp_path / "answer.wav")
        assert len(recorder.of(InterruptionFrame)) == 2
        assert said.endswith("nineteen, twenty.")
        assert said.count("ten,") == 1

    async def test_p20_words_make_it_an_interruption_for_good(self, tmp_path):
        said, _ = await self.talk(tmp_path, Interruptions(resume_after_ms=1500), "where did you stop")
        assert "twenty" not in said
        assert "You stopped me after" in said

    def test_counting_words_needs_a_transcription(self):
        with pytest.raises(SettingsError, match="interruptions"):
            OpenAIRealtimeLLMService(api_key="k", interruptions=Interruptions(min_words=2))


@pytest.mark.usefixtures("both_wires")
class TestBargeIn:
    @pytest.mark.parametrize("seed", range(10))
    async def test_p1_at_any_moment_history_ends_where_the_listener_was(self, tmp_path, seed):
        wire: list[dict[str, Any]] = []
        after_ms = random.Random(seed).uniform(60, 2400)
        transport = WavFileTransport(
            [spoken("count to twenty"), Question(spoken("hello"), barge_in_after_ms=after_ms)],
            answer_path=tmp_path / "answer.wav",
        )
        async with tone_server(
            pace=Pace(delta_ms=100, speed=random.Random(seed).choice([1.05, 1.5, 8.0])),
            on_event=lambda way, event: wire.append(dict(event, way=way)),
        ) as server:
            llm = OpenAIRealtimeLLMService(api_key="k", base_url=server.url)
            await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
        [cut] = transport.cuts
        truncates = [event for event in wire if event["type"] == "conversation.item.truncate"]
        assert len(truncates) == 1
        assert abs(truncates[0]["audio_end_ms"] - cut.played_ms) <= 20
        assert not [event for event in wire if event["way"] == "out" and event["type"] == "error"]
