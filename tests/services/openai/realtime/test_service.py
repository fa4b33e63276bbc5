"""The constructor: what it takes, and that a runtime change obeys the same rules as the settings a session begins with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.services.llm_service import FunctionCallParams

from tests.services.openai.realtime.wire_lines import created, error, updated
from tests.support.pipelines import Running, running
from tests.support.scripted_server import ScriptedServer
from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.frames import ErrorFrame, LLMUpdateSettingsFrame
from voicepipe.realtime.connection import Limits
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    OpenAIRealtimeLLMSettings,
    Reasoning,
    SessionProperties,
)

REASONING = SessionProperties(reasoning=Reasoning(effort="low"))


async def get_time(params: FunctionCallParams):
    """The time."""
    await params.result_callback("noon")


async def get_date(params: FunctionCallParams):
    """The date."""
    await params.result_callback("May the 1st")


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    told: list[str] = []
    sink = logger.add(
        lambda message: told.append(message.record["message"]), level="WARNING", format="{message}"
    )
    yield told
    logger.remove(sink)


def service(**given) -> OpenAIRealtimeLLMService:
    return OpenAIRealtimeLLMService(**{"api_key": "sk-s3cret", **given})


@asynccontextmanager
async def session(**given) -> AsyncIterator[tuple[OpenAIRealtimeLLMService, ScriptedServer, Running, dict]]:
    """A session that is ready; the last of what it yields is what it was told at first."""
    async with ScriptedServer() as server:
        llm = service(base_url=server.url, **given)
        async with running(llm) as bot:
            await server.say(created())
            first = (await server.expect("session.update"))["session"]
            await server.say(updated())
            yield llm, server, bot, first


async def change(server: ScriptedServer, bot: Running, **settings) -> dict:
    """Change settings at runtime; returns what was sent."""
    await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=settings))
    sent = (await server.expect("session.update"))["session"]
    await server.say(updated())
    return sent


async def refuse(bot: Running, frame: LLMUpdateSettingsFrame, count: int = 1) -> str:
    await bot.worker.queue_frame(frame)
    return (await bot.up.wait_for(ErrorFrame, count=count))[-1].error


class TestConstruction:
    async def test_pipecats_settings_are_laid_over_the_session_properties(self):
        properties = SessionProperties(instructions="Old.", max_output_tokens=10)
        delta = OpenAIRealtimeLLMSettings(
            model="gpt-realtime-2.1",
            system_instruction="New.",
            session_properties=SessionProperties(audio=AudioConfiguration(output=AudioOutput(voice="cedar"))),
        )
        llm = service(model="gpt-realtime", session_properties=properties, settings=delta)
        assert llm.session_properties == SessionProperties(
            instructions="New.",
            max_output_tokens=10,
            audio=AudioConfiguration(output=AudioOutput(voice="cedar")),
        )
        assert "model=gpt-realtime-2.1" in (await llm.endpoint()).url

    def test_a_wrong_setting_in_them_is_named(self):
        with pytest.raises(SettingsError) as caught:
            service(settings=OpenAIRealtimeLLMSettings(max_tokens=5000))
        assert caught.value.field == "max_output_tokens"

    @pytest.mark.parametrize("model", ["gpt-realtime-translate", "gpt-realtime-whisper", ""])
    def test_a_model_that_does_not_converse_is_refused(self, model):
        with pytest.raises(SettingsError, match=r"^model: "):
            service(model=model)
        if model:
            with pytest.raises(SettingsError, match=r"^model: "):
                service(settings=OpenAIRealtimeLLMSettings(model=model))

    def test_what_the_model_cannot_take_is_left_out_or_under_strict_an_error(self, warnings):
        assert service(session_properties=REASONING).session_properties == SessionProperties()
        assert len(warnings) == 1
        with pytest.raises(SettingsError, match=r"^reasoning: gpt-realtime does not think"):
            service(session_properties=REASONING, strict=True)
        assert service(session_properties=REASONING, model="gpt-realtime-2.1", strict=True)
        azure = {"base_url": "wss://mine.openai.azure.com/openai/v1/realtime"}
        assert service(session_properties=REASONING, strict=True, **azure).session_properties == REASONING

    @pytest.mark.parametrize(
        ("given", "field"),
        [({"api_key": None}, "api_key"), ({"base_url": "https://x"}, "base_url"), ({"proxy": "x"}, "proxy")],
    )
    def test_what_cannot_connect_is_refused_at_once(self, given, field):
        with pytest.raises(SettingsError) as caught:
            service(**given)
        assert caught.value.field == field

    async def test_headers_of_the_handshake(self):
        async with session(organization="org-1", project="proj_1", safety_identifier="u1") as (
            _,
            server,
            _,
            _,
        ):
            headers = {name.lower(): value for name, value in server.headers.items()}
        assert server.path == "/v1/realtime?model=gpt-realtime"
        assert headers["authorization"] == "Bearer sk-s3cret"
        assert headers["openai-organization"] == "org-1"
        assert headers["openai-project"] == "proj_1"
        assert headers["openai-safety-identifier"] == "u1"
        assert "openai-beta" not in headers
        assert "sec-websocket-extensions" not in headers

    async def test_azures_header(self):
        async with session(azure=True, model="mine") as (_, server, _, _):
            headers = {name.lower(): value for name, value in server.headers.items()}
        assert headers["api-key"] == "sk-s3cret"
        assert "authorization" not in headers
        assert server.path.endswith("?model=mine")

    async def test_a_key_that_cannot_be_got_ends_the_pipeline_with_a_reason(self):
        async def key() -> str:
            return ""

        llm = service(api_key=key, base_url="ws://127.0.0.1:1/v1")
        async with running(llm) as bot:
            [error] = await bot.up.wait_for(ErrorFrame)
            assert "the callable given as api_key gave a key that is empty" in error.error
        with pytest.raises(ConnectionRefused):
            await llm.endpoint()

    @pytest.mark.virtual_time
    async def test_the_limits_reach_the_connection(self):
        async def key() -> str:
            await asyncio.Event().wait()
            return "k"

        llm = service(api_key=key, limits=Limits(connect_secs=7))
        with pytest.raises(ConnectionRefused, match="gave no key within 7 s"):
            await llm.endpoint()

    async def test_nothing_secret_is_shown(self, caplog):
        lines: list[str] = []
        sink = logger.add(lines.append, level="TRACE", format="{message} {exception}")
        caplog.set_level(logging.DEBUG)
        mcp = {"type": "mcp", "server_label": "docs", "server_url": "https://x", "authorization": "sk-s3cret"}
        try:
            async with session(session_properties=SessionProperties(tools=[mcp])) as (llm, _, bot, first):
                assert first["tools"] == [mcp]
                shown = f"{llm!r} {llm} {llm.session_properties!r} {await llm.endpoint()!r}"
                await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"tools": [mcp], "voice": 1}))
                await bot.up.wait_for(ErrorFrame)
        finally:
            logger.remove(sink)
        # What websockets logs at level DEBUG is the wire itself, which nobody gets who does not ask for it.
        own = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets")]
        assert "s3cret" not in " ".join([shown, *map(str, lines), *own])


class TestRuntimeChanges:
    async def test_they_obey_the_models_table(self, warnings):
        async with session() as (llm, server, bot, _):
            sent = await change(
                server, bot, reasoning={"effort": "low"}, instructions="Brief.", temperature=0.5
            )
            assert sent == {"type": "realtime", "instructions": "Brief."}
            assert llm.session_properties.reasoning is None
            await change(server, bot, reasoning={"effort": "low"}, instructions="Briefer.", temperature=0.5)
        told = [line.split(":")[0] for line in warnings if "left out" in line]
        assert sorted(told) == ["reasoning", "temperature"]

    async def test_under_strict_the_whole_change_is_refused_and_the_field_named(self):
        async with session(strict=True) as (llm, server, bot, _):
            wish = LLMUpdateSettingsFrame(settings={"reasoning": {"effort": "low"}, "instructions": "Brief."})
            assert "reasoning: gpt-realtime does not think" in await refuse(bot, wish)
            assert llm.session_properties == SessionProperties()
            sent = await change(server, bot, instructions="Next.")
            assert sent == {"type": "realtime", "instructions": "Next."}

    async def test_pipecats_delta_says_the_same(self):
        async with session() as (llm, server, bot, _):
            delta = OpenAIRealtimeLLMSettings(
                system_instruction="Brief.",
                max_tokens=100,
                session_properties=SessionProperties(tool_choice="none", reasoning=Reasoning(effort="low")),
            )
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(delta=delta))
            sent = (await server.expect("session.update"))["session"]
            assert sent == {
                "type": "realtime",
                "instructions": "Brief.",
                "max_output_tokens": 100,
                "tool_choice": "none",
            }
            assert llm.session_properties.tool_choice == "none"

    @pytest.mark.parametrize(
        "nested",
        [{"instructions": "Brief."}, SessionProperties(instructions="Brief.")],
        ids=["dict", "properties"],
    )
    async def test_c22_session_properties_in_a_mapping_change_only_what_they_name(self, nested):
        begin = SessionProperties(max_output_tokens=10)
        async with session(session_properties=begin) as (llm, server, bot, _):
            sent = await change(server, bot, session_properties=nested)
            assert sent == {"type": "realtime", "instructions": "Brief."}
            assert llm.session_properties.max_output_tokens == 10

    @pytest.mark.parametrize(
        ("frame", "field"),
        [
            (LLMUpdateSettingsFrame(settings={"model": "gpt-realtime-2.1"}), "model"),
            (LLMUpdateSettingsFrame(delta=OpenAIRealtimeLLMSettings(model="gpt-realtime-2.1")), "model"),
            (LLMUpdateSettingsFrame(delta=OpenAIRealtimeLLMSettings(top_p=0.5)), "top_p"),
            (LLMUpdateSettingsFrame(settings={"session_properties": 7}), "session_properties"),
            (LLMUpdateSettingsFrame(settings={"tools": [{"type": "function"}]}), "tools"),
            (
                LLMUpdateSettingsFrame(settings={"truncation": {"retention_ratio": 2}}),
                "truncation.retention_ratio",
            ),
        ],
    )
    async def test_what_cannot_change_is_refused_by_name(self, frame, field):
        async with session() as (_, server, bot, _):
            assert f"{field}: " in await refuse(bot, frame)
            assert [event["type"] for event in server.received].count("session.update") == 1

    async def test_the_model_it_has_already_is_no_change(self):
        async with session() as (_, server, bot, _):
            sent = await change(server, bot, model="gpt-realtime", instructions="Brief.")
            assert sent == {"type": "realtime", "instructions": "Brief."}

    async def test_transcription_is_judged_by_the_model_in_force(self, warnings):
        audio = AudioInput(transcription=InputAudioTranscription(model="gpt-realtime-whisper"))
        begin = SessionProperties(audio=AudioConfiguration(input=audio))
        async with session(session_properties=begin) as (_, server, bot, _):
            change_of_audio = {"input": {"transcription": {"prompt": "fog", "language": "en"}}}
            sent = await change(server, bot, audio=change_of_audio)
            assert sent["audio"]["input"]["transcription"] == {
                "model": "gpt-realtime-whisper",
                "language": "en",
            }
        assert any(line.startswith("audio.input.transcription.prompt:") for line in warnings)


class TestTools:
    async def test_functions_given_at_construction_are_registered_and_told(self):
        async with session(session_properties=SessionProperties(tools=[get_time])) as (llm, _, _, first):
            assert [tool["name"] for tool in first["tools"]] == ["get_time"]
            assert llm.has_function("get_time")

    async def test_those_of_a_change_take_their_place(self):
        async with session(session_properties=SessionProperties(tools=[get_time])) as (llm, server, bot, _):
            sent = await change(server, bot, tools=ToolsSchema([get_date]))
            assert [tool["name"] for tool in sent["tools"]] == ["get_date"]
            sent = await change(server, bot, instructions="Brief.")
            assert "tools" not in sent
            assert llm.has_function("get_date")
            assert not llm.has_function("get_time")

    async def test_those_of_pipecats_settings_count_at_construction(self):
        settings = OpenAIRealtimeLLMSettings(session_properties=SessionProperties(tools=[get_date]))
        async with session(session_properties=SessionProperties(tools=[get_time]), settings=settings) as (
            llm,
            _,
            _,
            first,
        ):
            assert [tool["name"] for tool in first["tools"]] == ["get_date"]
            assert llm.has_function("get_date")
            assert not llm.has_function("get_time")

    async def test_those_before_run_again_when_the_server_refuses_the_change(self):
        async with session(session_properties=SessionProperties(tools=[get_time])) as (llm, server, bot, _):
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"tools": [get_date]}))
            update = await server.expect("session.update")
            assert llm.has_function("get_date")
            refusal = {"param": "session.tools[0].name", "message": "String does not match."}
            await server.say(error("invalid_value", update["event_id"], **refusal))
            [problem] = await bot.up.wait_for(ErrorFrame)
            assert problem.error == "invalid_value: session.tools[0].name: String does not match."
            assert llm.has_function("get_time")
            assert not llm.has_function("get_date")
            assert [tool["name"] for tool in llm.session_properties.tools] == ["get_time"]

    async def test_a_change_that_is_refused_registers_nothing(self):
        async with session(session_properties=SessionProperties(tools=[get_time])) as (llm, _, bot, _):
            await refuse(bot, LLMUpdateSettingsFrame(settings={"tools": [get_date], "voice": "alloy"}))
            assert llm.has_function("get_time")
            assert not llm.has_function("get_date")


def test_a_mistyped_argument_is_refused_by_name():
    with pytest.raises(TypeError, match=r"'start_audio_pause'; is 'start_audio_paused' meant\?"):
        OpenAIRealtimeLLMService(api_key="k", start_audio_pause=True)


def test_arguments_of_every_llm_service_are_taken():
    assert OpenAIRealtimeLLMService(api_key="k", name="ear", function_call_timeout_secs=3).name == "ear"
