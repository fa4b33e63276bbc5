"""The document of `OpenAIRealtimeLLMService` (seed S002), row by row: each test's name carries the row it proves.

What a row says of behaviour while a session runs (S002-37, 38, 41 to 44) is tested with the session and the service.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pipecat.frames.frames import LLMUpdateSettingsFrame
from pydantic import ValidationError

import voicepipe
from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    response_created,
    updated,
)
from tests.support.pipelines import Running, running
from tests.support.scripted_server import ScriptedServer
from tests.support.tones import heard_in, spoken, tone_server
from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import SettingsError
from voicepipe.frames import ErrorFrame, InputAudioRawFrame, TTSAudioRawFrame
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    PCMAAudioFormat,
    PCMAudioFormat,
    PCMUAudioFormat,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.wire import session_in_wire_shape
from voicepipe.transports.wav_file import WavFileTransport

ROOT = Path(voicepipe.__file__).parent.parent
FORMATS = [PCMAudioFormat(), PCMUAudioFormat(), PCMAAudioFormat()]
SILENCE = InputAudioRawFrame(bytes(960), 24000, 1)

has_video = pytest.mark.skipif(
    "start_video_paused" not in inspect.signature(RealtimeService.__init__).parameters,
    reason="RealtimeService takes no video yet",
)


def default_of(name: str) -> object:
    return inspect.signature(OpenAIRealtimeLLMService).parameters[name].default


def wire(**settings) -> dict:
    return session_in_wire_shape(SessionProperties(**settings))


def wire_of_input(**settings) -> dict:
    return wire(audio=AudioConfiguration(input=AudioInput(**settings))).get("audio", {}).get("input", {})


def wire_of_output(**settings) -> dict:
    return wire(audio=AudioConfiguration(output=AudioOutput(**settings))).get("audio", {}).get("output", {})


@asynccontextmanager
async def session(**given) -> AsyncIterator[tuple[OpenAIRealtimeLLMService, ScriptedServer, Running]]:
    async with ScriptedServer() as server:
        llm = OpenAIRealtimeLLMService(api_key="k", base_url=server.url, **given)
        async with running(llm) as bot:
            await server.say(created())
            await server.expect("session.update")
            await server.say(updated())
            yield llm, server, bot


async def answered(llm: OpenAIRealtimeLLMService, tmp_path: Path, question: str = "hello") -> str:
    """Ask a spoken question, in a pipeline as the documents draw it; returns the words of the spoken answer."""
    transport = WavFileTransport(spoken(question), answer_path=tmp_path / "answer.wav")
    await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    assert not transport.unanswered
    return heard_in(tmp_path / "answer.wav")


class TestService:
    @pytest.mark.virtual_time
    async def test_s002_1_speech_goes_in_and_speech_comes_out_and_the_conversation_is_kept(self, tmp_path):
        items: list[str] = []
        async with tone_server() as server:
            llm = OpenAIRealtimeLLMService(api_key="k", base_url=server.url)

            @llm.event_handler("on_conversation_item_created")
            async def on_item(_service, item_id, _item) -> None:
                items.append(item_id)

            assert await answered(llm, tmp_path) == "Hello! How can I help you?"
        assert len(set(items)) == 2

    def test_s002_2_a_plain_install_brings_all_it_needs(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        installed = {line.split(">")[0].split("[")[0].replace("-", "_") for line in project["dependencies"]}
        imported: set[str] = set()
        for path in (ROOT / "voicepipe/services/openai").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module.split(".")[0])
        named_otherwise = {"pipecat": "pipecat_ai", "pydantic_core": "pydantic"}
        others = {named_otherwise.get(name, name) for name in imported - set(sys.stdlib_module_names)}
        assert others - {"voicepipe"} <= installed

    def test_s002_3_the_key_is_read_from_the_environment_by_the_application(self, monkeypatch):
        import os

        monkeypatch.setenv("OPENAI_API_KEY", "k")
        assert OpenAIRealtimeLLMService(api_key=os.getenv("OPENAI_API_KEY"))
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(SettingsError, match=r"^api_key: is empty.*OPENAI_API_KEY"):
            OpenAIRealtimeLLMService(api_key=os.getenv("OPENAI_API_KEY"))

    def test_s002_4_the_key_is_required(self):
        with pytest.raises(TypeError, match="api_key"):
            OpenAIRealtimeLLMService()  # type: ignore[call-arg]
        with pytest.raises(SettingsError, match=r"^api_key: "):
            OpenAIRealtimeLLMService(api_key="")

    async def test_s002_5_the_model_is_part_of_the_connection_and_stays(self):
        assert default_of("model") == "gpt-realtime"
        async with session(model="gpt-realtime-mini") as (_, server, bot):
            assert server.path.endswith("/realtime?model=gpt-realtime-mini")
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"model": "gpt-realtime"}))
            [error] = await bot.up.wait_for(ErrorFrame)
            assert "model: is chosen when connecting" in error.error
            assert "model" not in server.received[0]["session"]

    async def test_s002_6_the_base_url_leads_elsewhere(self):
        assert default_of("base_url") == "wss://api.openai.com/v1/realtime"
        llm = OpenAIRealtimeLLMService(api_key="k", base_url="wss://proxy.example/realtime")
        assert (await llm.endpoint()).url == "wss://proxy.example/realtime?model=gpt-realtime"

    async def test_s002_7_properties_change_while_it_runs_but_for_model_and_voice(self):
        assert default_of("session_properties") is None
        async with session(session_properties=SessionProperties(instructions="Old.")) as (llm, server, bot):
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "New."}))
            assert (await server.expect("session.update"))["session"]["instructions"] == "New."
            await server.say(updated(), response_created(), audio_delta(20))
            await bot.down.wait_for(TTSAudioRawFrame)
            voice = {"audio": {"output": {"voice": "cedar"}}}
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=voice))
            [error] = await bot.up.wait_for(ErrorFrame)
            assert "audio.output.voice: cannot change" in error.error
            assert llm.session_properties == SessionProperties(instructions="New.")

    async def test_s002_8_it_may_start_with_audio_paused(self):
        assert default_of("start_audio_paused") is False
        async with session(start_audio_paused=True) as (llm, server, bot):
            await bot.worker.queue_frame(SILENCE)
            await bot.down.wait_for(InputAudioRawFrame)
            llm.set_audio_input_paused(False)
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(480), 24000, 1))
            await server.expect("input_audio_buffer.append")
            sent = [event for event in server.received if event["type"] == "input_audio_buffer.append"]
            assert [len(event["audio"]) for event in sent] == [640]

    @has_video
    def test_s002_9_it_may_start_with_video_paused(self):
        base = inspect.signature(RealtimeService.__init__).parameters["start_video_paused"]
        assert base.default is False
        assert OpenAIRealtimeLLMService(api_key="k", start_video_paused=True)

    @has_video
    @pytest.mark.parametrize("detail", ["auto", "low", "high"])
    def test_s002_10_the_detail_of_video_frames_is_chosen(self, detail):
        assert inspect.signature(RealtimeService.__init__).parameters["video_frame_detail"].default == "auto"
        assert OpenAIRealtimeLLMService(api_key="k", video_frame_detail=detail)


class TestSessionProperties:
    def test_every_default_is_to_leave_it_to_the_server(self):
        assert wire() == {}
        assert all(value is None for value in SessionProperties().model_dump().values())

    @pytest.mark.parametrize(
        ("given", "sent"), [(["text"], ["text"]), (["audio"], ["audio"]), (["text", "audio"], ["audio"])]
    )
    def test_s002_11_one_modality_goes_out(self, given, sent):
        assert wire(output_modalities=given) == {"output_modalities": sent}

    def test_s002_12_instructions(self):
        assert wire(instructions="Be brief.") == {"instructions": "Be brief."}

    def test_s002_13_audio(self):
        audio = AudioConfiguration(output=AudioOutput(voice="alloy"))
        assert wire(audio=audio) == {"audio": {"output": {"voice": "alloy"}}}

    def test_s002_14_tools_are_a_list_of_dicts(self):
        tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
        assert wire(tools=[tool]) == {"tools": [tool]}
        assert wire(tools=[]) == {"tools": []}

    @pytest.mark.parametrize("choice", ["auto", "none", "required"])
    def test_s002_15_tool_choice(self, choice):
        assert wire(tool_choice=choice) == {"tool_choice": choice}
        with pytest.raises(ValidationError, match="tool_choice"):
            SessionProperties(tool_choice=f"{choice}!")

    @pytest.mark.parametrize("most", [1, 4096, "inf"])
    def test_s002_16_max_output_tokens(self, most):
        assert wire(max_output_tokens=most) == {"max_output_tokens": most}
        for wrong in (0, 4097, "many"):
            with pytest.raises(ValidationError, match="max_output_tokens"):
                SessionProperties(max_output_tokens=wrong)

    @pytest.mark.parametrize(
        "tracing", ["auto", {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}}]
    )
    def test_s002_17_tracing(self, tracing):
        assert wire(tracing=tracing) == {"tracing": tracing}

    def test_s002_18_audio_has_an_input_and_an_output(self):
        assert AudioConfiguration() == AudioConfiguration(input=None, output=None)
        both = AudioConfiguration(input=AudioInput(format=FORMATS[0]), output=AudioOutput(speed=1.0))
        assert set(wire(audio=both)["audio"]) == {"input", "output"}


class TestAudio:
    @pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.type)
    def test_s002_19_the_format_of_the_input(self, format_):
        assert AudioInput().format is None
        rate = {"rate": 24000} if format_.type == "audio/pcm" else {}
        assert wire_of_input(format=format_) == {"format": {"type": format_.type, **rate}}

    def test_s002_20_transcription_has_a_model_a_language_and_a_prompt(self):
        assert AudioInput().transcription is None
        assert wire_of_input(transcription=InputAudioTranscription()) == {
            "transcription": {"model": "gpt-4o-transcribe"}
        }
        given = {"model": "whisper-1", "language": "en", "prompt": "fog"}
        assert wire_of_input(transcription=InputAudioTranscription(**given)) == {"transcription": given}

    @pytest.mark.parametrize("type_", ["near_field", "far_field"])
    def test_s002_21_noise_reduction(self, type_):
        assert AudioInput().noise_reduction is None
        sent = wire_of_input(noise_reduction=InputAudioNoiseReduction(type=type_))
        assert sent == {"noise_reduction": {"type": type_}}

    def test_s002_22_turn_detection_has_two_kinds_and_an_off(self):
        assert AudioInput().turn_detection is None
        assert wire_of_input() == {}
        assert wire_of_input(turn_detection=TurnDetection())["turn_detection"]["type"] == "server_vad"
        semantic = wire_of_input(turn_detection=SemanticTurnDetection())
        assert semantic == {"turn_detection": {"type": "semantic_vad"}}
        assert wire_of_input(turn_detection=False) == {"turn_detection": None}

    @pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.type)
    def test_s002_23_the_format_of_the_output(self, format_):
        assert AudioOutput().format is None
        assert wire_of_output(format=format_)["format"]["type"] == format_.type

    @pytest.mark.parametrize("voice", ["alloy", "echo", "shimmer"])
    def test_s002_24_the_voice(self, voice):
        assert AudioOutput().voice is None
        assert wire_of_output(voice=voice) == {"voice": voice}

    @pytest.mark.parametrize("speed", [0.25, 1.0, 1.5])
    def test_s002_25_the_speed(self, speed):
        assert AudioOutput().speed is None
        assert wire_of_output(speed=speed) == {"speed": speed}
        for wrong in (0.24, 1.51):
            with pytest.raises(ValidationError, match="speed"):
                AudioOutput(speed=wrong)


class TestTurnDetection:
    @pytest.mark.parametrize("detection", [TurnDetection(), TurnDetection(type="server_vad")])
    def test_s002_26_the_type_of_voice_activity(self, detection):
        assert detection.type == "server_vad"

    def test_s002_27_the_threshold_is_0_5_and_lies_between_0_and_1(self):
        assert TurnDetection().threshold == 0.5
        assert [TurnDetection(threshold=edge).threshold for edge in (0.0, 1.0)] == [0.0, 1.0]
        for wrong in (-0.1, 1.1):
            with pytest.raises(ValidationError, match="threshold"):
                TurnDetection(threshold=wrong)

    def test_s002_28_and_29_padding_is_300_ms_and_silence_500_ms(self):
        """S002-28, S002-29, C31: 500 ms here, whatever others default to; and that is what goes out."""
        sent = wire_of_input(turn_detection=TurnDetection())["turn_detection"]
        assert sent["prefix_padding_ms"] == 300
        assert sent["silence_duration_ms"] == 500

    def test_s002_30_the_type_of_detection_by_meaning(self):
        assert SemanticTurnDetection().type == "semantic_vad"

    @pytest.mark.parametrize("eagerness", ["low", "medium", "high", "auto"])
    def test_s002_31_the_eagerness(self, eagerness):
        """C17: None leaves it to the server."""
        assert SemanticTurnDetection().eagerness is None
        sent = wire_of_input(turn_detection=SemanticTurnDetection(eagerness=eagerness))
        assert sent["turn_detection"]["eagerness"] == eagerness

    @pytest.mark.parametrize("name", ["create_response", "interrupt_response"])
    def test_s002_32_and_33_whether_it_answers_and_whether_speech_interrupts(self, name):
        """S002-32, S002-33."""
        assert getattr(SemanticTurnDetection(), name) is None
        for value in (True, False):
            sent = wire_of_input(turn_detection=SemanticTurnDetection(**{name: value}))["turn_detection"]
            assert sent == {"type": "semantic_vad", name: value}


class TestImports:
    def test_s002_34_the_service_is_a_name_of_the_package_and_of_pipecats_module(self):
        """C11."""
        from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService as FromPackage
        from voicepipe.services.openai.realtime.llm import OpenAIRealtimeLLMService as FromModule

        assert FromPackage is FromModule

    def test_s002_35_the_settings_are_names_of_events(self):
        from voicepipe.services.openai.realtime.events import (
            AudioConfiguration,
            AudioInput,
            AudioOutput,
            InputAudioTranscription,
            SemanticTurnDetection,
            SessionProperties,
        )

        classes = (
            AudioConfiguration,
            AudioInput,
            AudioOutput,
            InputAudioTranscription,
            SemanticTurnDetection,
        )
        assert all(isinstance(made(), made) for made in (*classes, SessionProperties))


class TestRunning:
    @pytest.mark.virtual_time
    async def test_s002_36_a_preview_model_works_on_the_ga_wire(self, tmp_path):
        async with tone_server() as server:
            llm = OpenAIRealtimeLLMService(api_key="k", model="gpt-4o-realtime-preview", base_url=server.url)
            assert await answered(llm, tmp_path) == "Hello! How can I help you?"

    async def test_s002_39_frames_are_queued_at_the_task(self):
        async with session() as (_, server, bot):
            task = bot.worker
            await task.queue_frame(LLMUpdateSettingsFrame(settings={"max_output_tokens": 2048}))
            assert (await server.expect("session.update"))["session"]["max_output_tokens"] == 2048

    async def test_s002_40_sound_comes_out_as_pcm_at_24_khz(self):
        async with session() as (_, server, bot):
            await server.say(response_created(), audio_delta(20))
            [frame] = await bot.down.wait_for(TTSAudioRawFrame)
            assert (frame.sample_rate, frame.num_channels, len(frame.audio)) == (24000, 1, 20 * 48)

    @pytest.mark.virtual_time
    async def test_s002_45_turns_by_meaning_and_voices(self, tmp_path):
        settings = SessionProperties(
            audio=AudioConfiguration(
                input=AudioInput(turn_detection=SemanticTurnDetection(eagerness="high")),
                output=AudioOutput(voice="shimmer"),
            )
        )
        sent: list[dict] = []
        async with tone_server(on_event=lambda way, event: sent.append(dict(event))) as server:
            llm = OpenAIRealtimeLLMService(
                api_key="k", base_url=server.url, session_properties=settings, strict=True
            )
            assert await answered(llm, tmp_path) == "Hello! How can I help you?"
        [confirmed] = [event["session"]["audio"] for event in sent if event["type"] == "session.updated"]
        assert confirmed["output"]["voice"] == "shimmer"
        assert confirmed["input"]["turn_detection"]["eagerness"] == "high"
