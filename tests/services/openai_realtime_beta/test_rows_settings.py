"""The rows of S003 about settings."""

from __future__ import annotations

import base64

import pytest
from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pydantic import ValidationError

import voicepipe.services.openai.realtime as ga
import voicepipe.services.openai_realtime_beta as beta
import voicepipe.services.openai_realtime_beta.events as beta_events
from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    error,
    line,
    response_created,
    response_done,
)
from tests.services.openai_realtime_beta.test_rows import (
    FORMATS,
    WEATHER,
    answer,
    live,
    say,
    service,
    session,
    told_at_first,
)
from tests.support.pipelines import running
from tests.support.scripted_server import ScriptedServer
from voicepipe.errors import SettingsError
from voicepipe.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    LLMUpdateSettingsFrame,
    TTSAudioRawFrame,
)
from voicepipe.services.openai_realtime_beta import (
    InputAudioNoiseReduction,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)


class TestSettings:
    @pytest.mark.parametrize(
        ("modalities", "sent"),
        [(["audio", "text"], ["audio", "text"]), (["audio"], ["audio", "text"]), (["text"], ["text"])],
    )
    async def test_s003_9_modalities_go_out_in_a_combination_that_the_api_takes(self, modalities, sent):
        assert await told_at_first(modalities=modalities) == {"modalities": sent}

    async def test_s003_9_both_are_the_servers_default(self):
        assert await told_at_first() == {}

    @pytest.mark.parametrize("voice", ["alloy", "echo", "shimmer", "fable", "onyx", "nova"])
    async def test_s003_11_c6_all_documented_voices_are_sent_and_those_of_another_api_give_one_warning(
        self, voice
    ):
        told: list[str] = []
        sink = logger.add(lambda text: told.append(text.record["message"]), level="WARNING")
        try:
            assert await told_at_first(voice=voice) == {"voice": voice}
        finally:
            logger.remove(sink)
        assert len([text for text in told if text.startswith("voice: ")]) == (
            voice in ("fable", "onyx", "nova")
        )

    def test_c6_c24_under_strict_doubts_are_errors(self):
        for doubtful, name in (({"voice": "fable"}, "voice"), ({"temperature": 2.0}, "temperature")):
            with pytest.raises(SettingsError) as caught:
                service(strict=True, session_properties=SessionProperties(**doubtful))
            assert caught.value.field == name

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("format_", FORMATS)
    async def test_s003_12_13_sound_is_on_the_wire_in_the_format_asked_for(self, format_):
        given = SessionProperties(input_audio_format=format_, output_audio_format=format_)
        async with live(given) as (llm, bot, wire):
            await say(bot, "hello", 8000)
            assert await answer(bot) == "Hello! How can I help you?"
            rate = llm.session.output_sample_rate
        [confirmed] = [event["session"] for event in wire if event["type"] == "session.updated"]
        assert (confirmed["input_audio_format"], confirmed["output_audio_format"]) == (format_, format_)
        out_bytes = sum(
            len(base64.b64decode(e["delta"])) for e in wire if e["type"] == "response.audio.delta"
        )
        pcm_bytes = sum(len(frame.audio) for frame in bot.down.of(TTSAudioRawFrame))
        assert (rate, pcm_bytes // out_bytes) == ((24000, 1) if format_ == "pcm16" else (8000, 2))
        appended = sum(len(base64.b64decode(e["audio"])) for e in wire if e["type"].endswith(".append"))
        seconds = sum(f.num_frames / f.sample_rate for f in bot.down.of(InputAudioRawFrame))
        assert appended / seconds == pytest.approx(48000 if format_ == "pcm16" else 8000, rel=0.01)

    async def test_s003_12_13_c26_where_the_server_says_it_uses_another_format_that_one_is_spoken(self):
        given = SessionProperties(input_audio_format="g711_ulaw", output_audio_format="g711_ulaw")
        async with ScriptedServer() as server:
            llm = service(base_url=server.url, wire="beta", session_properties=given)
            async with running(llm) as bot:
                await server.say(created())
                await server.expect("session.update")
                await bot.worker.queue_frame(InputAudioRawFrame(b"\x00\x10" * 1600, 8000, 1))
                await bot.down.wait_for(InputAudioRawFrame)
                used = {"id": "sess_1", "input_audio_format": "pcm16", "output_audio_format": "pcm16"}
                await server.say(line("session.updated", session=used))
                held = base64.b64decode((await server.expect("input_audio_buffer.append"))["audio"])
                assert (llm.session.input_sample_rate, llm.session.output_sample_rate) == (24000, 24000)
                await server.say(response_created(), audio_delta(20), response_done())
                [frame] = await bot.down.wait_for(TTSAudioRawFrame)
        # 200 ms, but for what a resampler holds back, and still the same level.
        assert 180 * 48 <= len(held) <= 200 * 48
        middle = int.from_bytes(held[4800:4802], "little", signed=True)
        assert middle == pytest.approx(0x1000, rel=0.05)
        assert (frame.sample_rate, len(frame.audio)) == (24000, 960)

    async def test_s003_14_transcription(self):
        transcription = InputAudioTranscription(model="whisper-1", language="en", prompt="fog")
        sent = await told_at_first(input_audio_transcription=transcription)
        assert sent == {
            "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "fog"}
        }

    @pytest.mark.parametrize("kind", ["near_field", "far_field"])
    async def test_s003_15_noise_reduction_is_flat(self, kind):
        sent = await told_at_first(input_audio_noise_reduction=InputAudioNoiseReduction(type=kind))
        assert sent == {"input_audio_noise_reduction": {"type": kind}}

    @pytest.mark.parametrize(
        ("detection", "sent"),
        [
            (False, None),
            (TurnDetection(silence_duration_ms=800), {"silence_duration_ms": 800}),
            (True, {"silence_duration_ms": 500}),
            (SemanticTurnDetection(eagerness="low"), {"type": "semantic_vad", "eagerness": "low"}),
        ],
    )
    async def test_s003_16_turn_detection(self, detection, sent):
        told = (await told_at_first(turn_detection=detection))["turn_detection"]
        assert told == sent if sent is None else told | sent == told

    @pytest.mark.parametrize(
        "tools",
        [
            ToolsSchema(standard_tools=[WEATHER]),
            [WEATHER],
            [{"type": "function", "name": "get_weather", "parameters": {}}],
            [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}],
        ],
        ids=["ToolsSchema", "FunctionSchema", "dict", "dict of chat completions"],
    )
    async def test_s003_17_c19_tools(self, tools):
        [tool] = (await told_at_first(tools=tools))["tools"]
        assert (tool["type"], tool["name"]) == ("function", "get_weather")

    @pytest.mark.parametrize("choice", ["auto", "none", "required"])
    async def test_s003_18_tool_choice(self, choice):
        assert await told_at_first(tool_choice=choice) == {"tool_choice": choice}

    @pytest.mark.parametrize(("temperature", "doubts"), [(0.0, 1), (0.6, 0), (1.2, 0), (2.0, 1)])
    async def test_s003_19_c24_temperature_is_sent_with_a_warning_outside_of_what_the_api_takes(
        self, temperature, doubts
    ):
        told: list[str] = []
        sink = logger.add(lambda text: told.append(text.record["message"]), level="WARNING")
        try:
            assert await told_at_first(temperature=temperature) == {"temperature": temperature}
        finally:
            logger.remove(sink)
        assert len([text for text in told if text.startswith("temperature: ")]) == doubts

    @pytest.mark.parametrize("most", [1, 4096, "inf"])
    async def test_s003_20_the_longest_answer(self, most):
        assert await told_at_first(max_response_output_tokens=most) == {"max_response_output_tokens": most}

    @pytest.mark.parametrize(
        ("wrong", "name"),
        [
            ({"modalities": ["video"]}, "modalities"),
            ({"modalities": []}, "modalities"),
            ({"input_audio_format": "mp3"}, "input_audio_format"),
            ({"temperature": 2.1}, "temperature"),
            ({"max_response_output_tokens": 0}, "max_response_output_tokens"),
            ({"tool_choice": "maybe"}, "tool_choice"),
            ({"audio": {}}, "audio"),
            ({"output_modalities": ["audio"]}, "output_modalities"),
            ({"input_audio_transcription": {"keywords": ["fog"]}}, "keywords"),
        ],
    )
    def test_a_wrong_value_or_a_name_of_the_other_wire_is_refused_by_name(self, wrong, name):
        with pytest.raises(ValidationError) as caught:
            SessionProperties(**wrong)
        assert name in str(caught.value)

    def test_s003_21_22_c16_names_are_in_the_package_and_in_events_and_are_not_those_of_ga(self):
        for name in ("SessionProperties", "InputAudioTranscription", "InputAudioNoiseReduction"):
            assert getattr(beta, name) is getattr(beta_events, name)
            assert getattr(beta, name) is not getattr(ga, name)
        for name in ("TurnDetection", "SemanticTurnDetection"):
            assert getattr(beta, name) is getattr(beta_events, name)

    async def test_p13_a_change_while_it_runs_sends_only_what_it_names(self):
        begin = SessionProperties(instructions="A", turn_detection=TurnDetection(threshold=0.3))
        async with session(session_properties=begin) as (llm, server, bot, _):
            change = {"turn_detection": {"silence_duration_ms": 900}, "temperature": 0.9}
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=change))
            sent = (await server.expect("session.update"))["session"]
            assert sent["temperature"] == 0.9
            assert sent["turn_detection"]["threshold"] == 0.3
            assert sent["turn_detection"]["silence_duration_ms"] == 900
            assert set(sent) == {"temperature", "turn_detection"}
            assert llm.session_properties.instructions == "A"

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"max_output_tokens": 5}, "max_output_tokens"),
            ({"turn_detection": {"threshold": 9}}, "turn_detection.threshold"),
            ({"input_audio_format": "g711_ulaw"}, "input_audio_format"),
            ({"model": "gpt-realtime"}, "model"),
            ({"tools": [{"type": "function"}]}, "tools"),
        ],
    )
    async def test_p14_a_change_that_cannot_be_made_is_refused_by_the_betas_name_and_sends_nothing(
        self, change, name
    ):
        begin = SessionProperties(turn_detection=TurnDetection())
        async with session(session_properties=begin) as (llm, server, bot, _):
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "B", **change}))
            [problem] = await bot.up.wait_for(ErrorFrame)
            assert problem.error.startswith(f"{name}: ")
            assert llm.session_properties == begin
            assert [event["type"] for event in server.received] == ["session.update"]

    async def test_p14_of_a_change_that_the_server_refuses_the_rest_is_told_again(self):
        async with session() as (llm, server, bot, _):
            change = {"voice": "echo", "instructions": "B"}
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=change))
            update = await server.expect("session.update")
            await server.say(
                error("cannot_update_voice", update["event_id"], message="No.", param="session.voice")
            )
            assert (await server.expect("session.update"))["session"] == {"instructions": "B"}
            [problem] = await bot.up.wait_for(ErrorFrame)
            assert llm.session_properties == SessionProperties(instructions="B")
        assert "cannot_update_voice" in problem.error
