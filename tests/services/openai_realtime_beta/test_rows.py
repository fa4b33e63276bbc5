"""The document of `OpenAIRealtimeBetaLLMService` (seed S003), row by row: each test's name carries the row it proves.

Rows that are code (10, 14, 21, 22, 36 to 39, 44 to 48) run as it stands in `test_snippets`.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import LLMContextFrame
from pipecat.metrics.metrics import LLMUsageMetricsData, ProcessingMetricsData, TTFBMetricsData
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import FunctionCallParams

import voicepipe
from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    error,
    line,
    response_created,
    response_done,
    updated,
)
from tests.support.pipelines import Running, running
from tests.support.scripted_server import ScriptedServer
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.frames import (
    ErrorFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    OpenAILLMContextFrame,
    StartInterruptionFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.local import Pace
from voicepipe.realtime.latency import FunctionCallMetricsData, TurnLatencyMetricsData
from voicepipe.services.openai_realtime_beta import (
    InputAudioTranscription,
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
)
from voicepipe.transports.sound import Sound

ROOT = Path(voicepipe.__file__).parent.parent
BOTH = """
rules:
  - hear: [both]
    call:
      - {name: get_weather, arguments: {city: Paris}}
      - {name: get_order_status, arguments: {order_id: "4711"}}
    then: Done.
"""
FORMATS = ["pcm16", "g711_ulaw", "g711_alaw"]
TRANSCRIBED = SessionProperties(input_audio_transcription=InputAudioTranscription())
WEATHER = FunctionSchema("get_weather", "Weather.", {"city": {"type": "string"}}, ["city"])
ORDER = FunctionSchema("get_order_status", "Orders.", {"order_id": {"type": "string"}}, ["order_id"])


def service(**given) -> OpenAIRealtimeBetaLLMService:
    return OpenAIRealtimeBetaLLMService(**{"api_key": "k", **given})


def default_of(name: str) -> object:
    return inspect.signature(OpenAIRealtimeBetaLLMService).parameters[name].default


@asynccontextmanager
async def session(
    **given,
) -> AsyncIterator[tuple[OpenAIRealtimeBetaLLMService, ScriptedServer, Running, dict]]:
    """A session that is ready; the last of what it yields is what it was told at first."""
    async with ScriptedServer() as server:
        llm = service(base_url=server.url, wire="beta", **given)
        async with running(llm) as bot:
            await server.say(created())
            first = (await server.expect("session.update"))["session"]
            await server.say(updated())
            yield llm, server, bot, first


async def told_at_first(**settings) -> dict:
    async with session(session_properties=SessionProperties(**settings)) as (_, _, _, first):
        return first


@asynccontextmanager
async def live(
    properties: SessionProperties | None = None,
    *,
    pace: Pace | None = None,
    prepare=lambda llm: None,
    script: str | None = None,
    **given,
) -> AsyncIterator[tuple[OpenAIRealtimeBetaLLMService, Running, list[dict]]]:
    """A session with the local beta server; the last of what it yields is what went over the wire, both ways."""
    wire: list[dict] = []
    async with tone_server(
        script, wire="beta", pace=pace, on_event=lambda _way, event: wire.append(dict(event))
    ) as server:
        llm = service(base_url=server.url, wire="beta", session_properties=properties, **given)
        prepare(llm)
        async with running(llm) as bot:
            yield llm, bot, wire


async def say(bot: Running, words: str, rate: int = 24000) -> None:
    sound = spoken(words, rate)
    pcm, size = sound.pcm + bytes(2 * rate), rate // 50 * 2
    for at in range(0, len(pcm), size):
        await bot.worker.queue_frame(InputAudioRawFrame(pcm[at : at + size], rate, 1))
        await asyncio.sleep(0.02)


async def answer(bot: Running, count: int = 1) -> str:
    await bot.down.wait_for(LLMFullResponseEndFrame, count=count)
    frames = bot.down.of(TTSAudioRawFrame)
    frames = [frame for frame in frames if frame.context_id == frames[-1].context_id]
    return heard(Sound(b"".join(frame.audio for frame in frames), frames[0].sample_rate))


class TestService:
    @pytest.mark.virtual_time
    async def test_s003_1_29_speech_goes_in_and_speech_comes_out_over_the_beta_wire(self):
        async with live() as (llm, bot, wire):
            await say(bot, "hello")
            assert await answer(bot) == "Hello! How can I help you?"
            assert llm.wire == "beta"
        types = {event["type"] for event in wire}
        assert {"response.audio.delta", "conversation.item.created", "conversation.created"} <= types
        assert not {"response.output_audio.delta", "conversation.item.added"} & types

    def test_s003_2_the_extra_of_the_document_is_there(self):
        assert (
            "openai"
            in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        )

    @pytest.mark.parametrize("key", ["", None])
    def test_s003_3_a_key_is_required(self, key):
        with pytest.raises(SettingsError, match=r"^api_key: "):
            service(api_key=key)

    async def test_s003_3_4_key_model_and_header_go_into_the_handshake(self):
        async with session() as (_, server, _, _):
            headers = {name.lower(): value for name, value in server.headers.items()}
        assert headers["authorization"] == "Bearer k"
        assert headers["openai-beta"] == "realtime=v1"
        assert server.path.endswith("?model=gpt-4o-realtime-preview-2025-06-03")

    async def test_azures_preview_needs_no_header_and_has_its_ga_address_in_reserve(self):
        url = "wss://mine.openai.azure.com/openai/realtime?api-version=2024-10-01-preview&deployment=d"
        endpoint = await service(base_url=url, model="d").endpoint()
        assert endpoint.url.startswith(url)
        assert endpoint.headers == {"api-key": "k"}
        over_ga = await service(base_url=url, model="d", wire="ga").endpoint()
        assert over_ga.url == "wss://mine.openai.azure.com/openai/v1/realtime?model=d"

    def test_s003_4_5_7_8_defaults(self):
        assert default_of("model") == "gpt-4o-realtime-preview-2025-06-03"
        assert default_of("base_url") == "wss://api.openai.com/v1/realtime"
        assert default_of("start_audio_paused") is False
        assert default_of("send_transcription_frames") is True
        assert default_of("wire") == "auto"

    def test_what_cannot_be_used_is_refused_by_name(self):
        for given, name in (
            ({"wire": "gamma"}, "wire"),
            ({"base_url": "https://x"}, "base_url"),
            ({"model": ""}, "model"),
        ):
            with pytest.raises(SettingsError) as caught:
                service(**given)
            assert caught.value.field == name

    async def test_s003_6_session_properties_go_out_flat(self):
        given = SessionProperties(instructions="Brief.", voice="echo", tool_choice="none")
        async with session(session_properties=given) as (llm, _, _, first):
            assert first == {"instructions": "Brief.", "voice": "echo", "tool_choice": "none"}
            assert llm.session_properties == given

    async def test_s003_7_sound_is_held_off_until_it_is_let_through(self):
        async with session(start_audio_paused=True) as (llm, server, bot, _):
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(960), 24000, 1))
            await bot.down.wait_for(InputAudioRawFrame)
            llm.set_audio_input_paused(False)
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(1920), 24000, 1))
            append = await server.expect("input_audio_buffer.append")
        assert len(base64.b64decode(append["audio"])) == 1920

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("wanted", [True, False])
    async def test_s003_8_32_c20_transcription_frames_go_both_ways_if_they_are_wanted(self, wanted):
        async with live(TRANSCRIBED, send_transcription_frames=wanted) as (_, bot, _):
            await say(bot, "hello")
            await answer(bot)
        for recorder in (bot.up, bot.down):
            words = [frame.text for frame in recorder.of(TranscriptionFrame)]
            assert words == (["hello"] if wanted else [])
            assert bool(recorder.of(InterimTranscriptionFrame)) == wanted
        if wanted:
            [up], [down] = bot.up.of(TranscriptionFrame), bot.down.of(TranscriptionFrame)
            assert up.broadcast_sibling_id == down.id


class TestFrames:
    async def test_s003_23_sound_reaches_the_wire(self):
        async with session() as (_, server, bot, _):
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(960), 24000, 1))
            append = await server.expect("input_audio_buffer.append")
        assert len(base64.b64decode(append["audio"])) == 960

    async def test_s003_24_c13_an_interruption_by_its_old_name_cancels_the_answer(self):
        assert StartInterruptionFrame is InterruptionFrame
        async with session() as (_, server, bot, _):
            await server.say(response_created(), audio_delta(2000))
            await bot.down.wait_for(TTSAudioRawFrame)
            await bot.worker.queue_frame(StartInterruptionFrame())
            await server.expect("response.cancel")

    async def test_s003_25_26_46_turns_of_the_pipeline_are_committed_and_answered(self):
        off = SessionProperties(turn_detection=False)
        async with session(session_properties=off) as (_, server, bot, first):
            assert first == {"turn_detection": None}
            await bot.worker.queue_frame(UserStartedSpeakingFrame())
            await server.expect("input_audio_buffer.clear")
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(9600), 24000, 1))
            await server.expect("input_audio_buffer.append")
            await bot.worker.queue_frame(UserStoppedSpeakingFrame())
            await server.expect("input_audio_buffer.commit")
            await server.expect("response.create")

    async def test_s003_27_c14_a_context_by_its_old_name_is_told_and_answered(self):
        assert OpenAILLMContextFrame is LLMContextFrame
        messages: list[Any] = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
        async with session() as (_, server, bot, _):
            await bot.worker.queue_frame(OpenAILLMContextFrame(LLMContext(messages)))
            parts = [(await server.expect("conversation.item.create"))["item"] for _ in messages]
            await server.expect("response.create")
        assert [(item["role"], item["content"]) for item in parts] == [
            ("user", [{"type": "input_text", "text": "hi"}]),
            ("assistant", [{"type": "text", "text": "Hello."}]),
        ]

    async def test_s003_28_messages_are_appended(self):
        async with session() as (_, server, bot, _):
            frame = LLMMessagesAppendFrame([{"role": "user", "content": "hi"}], run_llm=True)
            await bot.worker.queue_frame(frame)
            await server.expect("conversation.item.create")
            await server.expect("response.create")

    @pytest.mark.virtual_time
    async def test_s003_30_31_41_42_the_frames_of_a_spoken_turn_in_their_order(self):
        async with live(TRANSCRIBED) as (_, bot, _):
            await say(bot, "hello")
            await answer(bot)
        names = bot.down.names(
            TranscriptionFrame,
            LLMFullResponseStartFrame,
            TTSStartedFrame,
            TTSAudioRawFrame,
            TTSStoppedFrame,
            LLMFullResponseEndFrame,
        )
        assert list(dict.fromkeys(names)) == [
            "TranscriptionFrame",
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "TTSAudioRawFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        for bracket in (TTSStartedFrame, TTSStoppedFrame, LLMFullResponseStartFrame, LLMFullResponseEndFrame):
            assert len(bot.down.of(bracket)) == 1
        words = [f.text for f in bot.down.of(TextFrame) if type(f).__name__ == "LLMTextFrame"]
        assert "".join(words) == "Hello! How can I help you?"

    @pytest.mark.virtual_time
    async def test_s003_41_function_calls_stand_between_the_brackets_and_results_after_them(self):
        async def weather(params: FunctionCallParams) -> None:
            await params.result_callback({"temperature": 21, "conditions": "fog"})

        async with live(
            SessionProperties(tools=[WEATHER]),
            prepare=lambda llm: llm.register_function("get_weather", weather),
        ) as (_, bot, _):
            await say(bot, "what is the weather in paris")
            await bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        calls = (FunctionCallsStartedFrame, FunctionCallInProgressFrame, FunctionCallResultFrame)
        names = bot.down.names(LLMFullResponseStartFrame, LLMFullResponseEndFrame, *calls)
        assert names.index("LLMFullResponseStartFrame") < names.index("FunctionCallsStartedFrame")
        assert names.index("FunctionCallsStartedFrame") < names.index("FunctionCallResultFrame")

    async def test_s003_42_errors_are_frames(self):
        async with session() as (_, server, bot, _):
            await server.say(error("invalid_value", "evt_x", message="No."))
            [problem] = await bot.up.wait_for(ErrorFrame)
        assert problem.error == "invalid_value: No."


class TestItems:
    async def test_s003_33_34_c21_items_are_announced_when_they_are_made_and_when_they_change(self):
        seen: list[tuple[str, str, bool]] = []
        async with session() as (llm, server, bot, _):

            @llm.event_handler("on_conversation_item_created")
            async def on_created(_llm, item_id: str, item) -> None:
                seen.append(("created", item_id, item is not None))

            @llm.event_handler("on_conversation_item_updated")
            async def on_updated(_llm, item_id: str, item) -> None:
                seen.append(("updated", item_id, item is not None))

            item = {"id": "item_b1", "type": "message", "role": "assistant", "content": []}
            await server.say(
                response_created(),
                line("conversation.item.created", item=item, previous_item_id=None),
                line("response.output_item.done", response_id="resp_1", output_index=0, item=item),
                line("conversation.item.truncated", item_id="item_b1", content_index=0, audio_end_ms=5),
                response_done(),
            )
            await bot.down.wait_for(LLMFullResponseEndFrame)
        assert sorted(seen) == [
            ("created", "item_b1", True),
            ("updated", "item_b1", False),
            ("updated", "item_b1", True),
        ]

    @pytest.mark.virtual_time
    async def test_s003_35_an_item_is_retrieved_as_the_server_has_it(self):
        async with live() as (llm, bot, wire):
            await say(bot, "hello")
            await answer(bot)
            ids = [event["item"]["id"] for event in wire if event["type"] == "conversation.item.created"]
            user, told = [await llm.retrieve_conversation_item(item_id) for item_id in ids]
            with pytest.raises(VoicepipeError, match="item_9"):
                await llm.retrieve_conversation_item("item_9")
        assert user["content"][0]["type"] == "input_audio"
        assert told["content"][0]["type"] == "audio"
        assert told["content"][0]["transcript"] == "Hello! How can I help you?"


class TestFunctions:
    @pytest.mark.virtual_time
    async def test_s003_39_40_two_calls_at_once_are_answered_by_one_response(self):
        began: list[str] = []
        both = asyncio.Event()

        async def run(params: FunctionCallParams) -> None:
            began.append(params.function_name)
            if len(began) == 2:
                both.set()
            await both.wait()
            results = {"get_weather": {"temperature": 21, "conditions": "fog"}}
            await params.result_callback(results.get(params.function_name, {"status": "shipped"}))

        def prepare(llm: OpenAIRealtimeBetaLLMService) -> None:
            llm.register_function("get_weather", run)
            llm.register_function("get_order_status", run)

        async with live(SessionProperties(tools=[WEATHER, ORDER]), script=BOTH, prepare=prepare) as (
            _,
            bot,
            wire,
        ):
            await say(bot, "both please")
            await bot.down.wait_for(FunctionCallResultFrame, count=2)
            await bot.down.wait_for(TTSStoppedFrame)
        assert sorted(began) == ["get_order_status", "get_weather"]
        asked = [event["type"] for event in wire if event["type"] == "response.create"]
        assert len(asked) == 1

    async def test_s003_39_direct_functions_are_registered_at_construction_and_by_a_change(self):
        async def get_time(params: FunctionCallParams):
            """The time."""
            await params.result_callback("noon")

        async def get_date(params: FunctionCallParams):
            """The date."""
            await params.result_callback("today")

        async with session(session_properties=SessionProperties(tools=[get_time])) as (
            llm,
            server,
            bot,
            first,
        ):
            assert [tool["name"] for tool in first["tools"]] == ["get_time"]
            assert llm.has_function("get_time")
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"tools": [get_date]}))
            sent = (await server.expect("session.update"))["session"]
            assert [tool["name"] for tool in sent["tools"]] == ["get_date"]
            assert llm.has_function("get_date")

    async def test_responses_of_their_own_may_be_asked_for_in_the_betas_words(self):
        async with session() as (llm, server, _, _):
            aside = asyncio.create_task(
                llm.create_response(
                    conversation="none",
                    modalities=["text"],
                    max_response_output_tokens=9,
                    input=[
                        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}
                    ],
                )
            )
            asked = (await server.expect("response.create"))["response"]
            metadata = asked.pop("metadata")
            assert asked == {
                "conversation": "none",
                "modalities": ["text"],
                "max_response_output_tokens": 9,
                "input": [
                    {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}
                ],
            }
            output = [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "b"}]}]
            response = {"id": "r", "status": "completed", "metadata": metadata, "output": output}
            await server.say(line("response.done", response=response))
            result = await aside
        assert result is not None
        assert result.text == "b"


@pytest.mark.virtual_time
async def test_s003_43_metrics():
    async def weather(params: FunctionCallParams) -> None:
        await asyncio.sleep(0.25)
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    async with live(
        SessionProperties(tools=[WEATHER]), prepare=lambda llm: llm.register_function("get_weather", weather)
    ) as (_, bot, _):
        await say(bot, "what is the weather in paris")
        await bot.down.wait_for(LLMFullResponseEndFrame, count=2)
    data = [one for frame in bot.down.of(MetricsFrame) for one in frame.data]
    usage = [one.value for one in data if isinstance(one, LLMUsageMetricsData) and one.value.total_tokens]
    assert all(tokens.prompt_tokens > 0 and tokens.completion_tokens > 0 for tokens in usage)
    assert len(usage) == 2
    assert any(isinstance(one, ProcessingMetricsData) and one.value > 0 for one in data)
    assert any(isinstance(one, TTFBMetricsData) and one.value > 0 for one in data)
    [sound] = [one for one in data if isinstance(one, TurnLatencyMetricsData)]
    assert sound.added_ms >= 0
    [call] = [one for one in data if isinstance(one, FunctionCallMetricsData)]
    assert (call.function_name, call.completed, call.model) == ("get_weather", True, default_of("model"))
    assert call.duration_ms == pytest.approx(250, abs=20)
