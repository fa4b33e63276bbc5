"""The service between a pipeline and a wire, each line of which the test writes."""

from __future__ import annotations

import asyncio
import base64

import pytest
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    error,
    item_added,
    item_done,
    line,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    words_delta,
)
from tests.support.pipelines import Recorder, Running, running
from tests.support.scripted_bot import conversation, sound
from tests.support.wires import wire
from voicepipe.errors import VoicepipeError
from voicepipe.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    PlaybackMarkFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.connection import Limits
from voicepipe.realtime.link import Reconnect
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    OpenAIRealtimeLLMService,
    SessionProperties,
)

BRACKETS = (LLMFullResponseStartFrame, TTSStartedFrame, TTSStoppedFrame, LLMFullResponseEndFrame)


async def far_end_played(bot: Running, ms: float, response_id: str = "resp_1") -> None:
    """Tell the service how far a response has been played at this moment."""
    now_ms = asyncio.get_running_loop().time() * 1000
    await bot.worker.queue_frame(PlaybackMarkFrame(context_id=response_id, played_ms=ms, at_ms=now_ms))
    await bot.down.wait_for(PlaybackMarkFrame)


@pytest.mark.usefixtures("both_wires")
class TestTurn:
    async def test_frames_of_a_spoken_turn_come_in_the_promised_order(self):
        async with conversation() as (bot, server, _):
            await server.say(speech_started(), speech_stopped(), response_created(), words_delta("Hi."))
            await server.say(audio_delta(100), audio_delta(100), item_done(), response_done())
            await bot.down.wait_for(LLMFullResponseEndFrame)
        turn = (
            UserStartedSpeakingFrame,
            InterruptionFrame,
            UserStoppedSpeakingFrame,
            LLMTextFrame,
            TTSAudioRawFrame,
        )
        assert bot.down.names(*turn, *BRACKETS) == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
            "UserStoppedSpeakingFrame",
            "LLMFullResponseStartFrame",
            "LLMTextFrame",
            "TTSStartedFrame",
            "TTSAudioRawFrame",
            "TTSAudioRawFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        [first, _] = bot.down.of(TTSAudioRawFrame)
        assert (len(first.audio), first.sample_rate, first.num_channels) == (4800, 24000, 1)
        assert first.context_id == "resp_1"

    async def test_transcripts_go_upstream(self):
        async with conversation() as (bot, server, _):
            ids = {"item_id": "item_u1", "content_index": 0}
            await server.say(line("conversation.item.input_audio_transcription.delta", **ids, delta="Hel"))
            await server.say(
                line("conversation.item.input_audio_transcription.completed", **ids, transcript="Hello.")
            )
            [final] = await bot.up.wait_for(TranscriptionFrame)
        [interim] = bot.up.of(InterimTranscriptionFrame)
        assert (interim.text, final.text) == ("Hel", "Hello.")
        assert len(bot.down.of(TranscriptionFrame)) == {"ga": 0, "beta": 1}[wire()]

    async def test_sound_reaches_the_wire_at_the_rate_it_takes(self):
        async with conversation() as (bot, server, _):
            await bot.worker.queue_frame(sound(20))
            append = await server.expect("input_audio_buffer.append")
            assert len(base64.b64decode(append["audio"])) == 960
            for _ in range(10):
                await bot.worker.queue_frame(sound(20, rate=8000))
            total = 0
            while total < 9 * 960:
                total += len(base64.b64decode((await server.expect("input_audio_buffer.append"))["audio"]))

    async def test_sound_with_two_channels_is_one_clear_error(self):
        async with conversation() as (bot, server, _):
            for _ in range(3):
                await bot.worker.queue_frame(sound(20, channels=2))
            await bot.worker.queue_frame(sound(20))
            await server.expect("input_audio_buffer.append")
        [problem] = bot.up.of(ErrorFrame)
        assert "num_channels" in problem.error
        assert "2" in problem.error

    async def test_paused_sound_is_held_off(self):
        async with conversation() as (bot, server, llm):
            llm.set_audio_input_paused(True)
            await bot.worker.queue_frame(sound(20))
            await bot.down.wait_for(InputAudioRawFrame)
            llm.set_audio_input_paused(False)
            await bot.worker.queue_frame(sound(40))
            append = await server.expect("input_audio_buffer.append")
            assert len(base64.b64decode(append["audio"])) == 1920

    async def test_token_usage_is_a_metric(self):
        usage = {
            "total_tokens": 9,
            "input_tokens": 5,
            "output_tokens": 4,
            "input_token_details": {"cached_tokens": 2},
        }
        async with conversation() as (bot, server, _):
            await server.say(response_created(), response_done(usage=usage))
            await bot.down.wait_for(LLMFullResponseEndFrame)
        data = [
            d for frame in bot.down.of(MetricsFrame) for d in frame.data if isinstance(d, LLMUsageMetricsData)
        ]
        [tokens] = [d.value for d in data if d.value.total_tokens]
        assert (tokens.prompt_tokens, tokens.completion_tokens, tokens.cache_read_input_tokens) == (5, 4, 2)

    async def test_turns_of_the_pipeline_are_committed_and_answered(self):
        off = SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=False)))
        async with conversation(off) as (bot, server, _):
            await bot.worker.queue_frame(sound(200))
            await server.expect("input_audio_buffer.append")
            await bot.worker.queue_frame(UserStoppedSpeakingFrame())
            await server.expect("input_audio_buffer.commit")
            await server.expect("response.create")


@pytest.mark.usefixtures("both_wires")
class TestBargeIn:
    async def test_one_interruption_and_brackets_closed_after_it(self):
        async with conversation() as (bot, server, _):
            await server.say(response_created(), audio_delta(2000))
            await bot.down.wait_for(TTSAudioRawFrame)
            await far_end_played(bot, 800)
            await server.say(speech_started())
            truncate = await server.expect("conversation.item.truncate")
            await server.say(audio_delta(100), response_done(status="cancelled"), speech_stopped())
            await bot.down.wait_for(UserStoppedSpeakingFrame)
        assert truncate["item_id"] == "item_b1"
        assert 800 <= truncate["audio_end_ms"] < 2000
        assert bot.down.names(UserStartedSpeakingFrame, InterruptionFrame, TTSAudioRawFrame, *BRACKETS) == [
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "TTSAudioRawFrame",
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        assert bot.up.names(UserStartedSpeakingFrame, InterruptionFrame) == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
        ]

    async def test_the_position_is_what_the_far_end_reported(self):
        async with conversation() as (bot, server, _):
            await server.say(response_created(), audio_delta(2000), item_done(), response_done())
            await bot.down.wait_for(LLMFullResponseEndFrame)
            await far_end_played(bot, 1500)
            await server.say(speech_started())
            truncate = await server.expect("conversation.item.truncate")
        assert 1500 <= truncate["audio_end_ms"] < 2000

    async def test_an_interruption_from_the_pipeline_cancels_the_response(self):
        async with conversation() as (bot, server, _):
            await server.say(response_created(), audio_delta(2000))
            await bot.down.wait_for(TTSAudioRawFrame)
            await far_end_played(bot, 800)
            await bot.worker.queue_frame(InterruptionFrame())
            await server.expect("response.cancel")
            await server.expect("conversation.item.truncate")
            await server.say(response_done(status="cancelled"))
            await bot.down.wait_for(LLMFullResponseEndFrame)
        assert bot.down.names(InterruptionFrame, *BRACKETS)[-3:] == [
            "InterruptionFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]

    async def test_with_an_aggregator_it_decides_and_there_is_still_one_interruption(self):
        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hello"}]))
        after = Recorder(keep=FrameDirection.DOWNSTREAM)
        async with conversation(around=lambda llm: [pair.user(), llm, after, pair.assistant()]) as (
            bot,
            server,
            _,
        ):
            await server.say(response_created(), audio_delta(2000))
            await after.wait_for(TTSAudioRawFrame)
            await far_end_played(bot, 800)
            await server.say(speech_started())
            truncate = await server.expect("conversation.item.truncate")
            await after.wait_for(LLMFullResponseEndFrame)
        assert 800 <= truncate["audio_end_ms"] < 2000
        assert after.names(UserStartedSpeakingFrame, InterruptionFrame) == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
        ]


@pytest.mark.usefixtures("both_wires")
class TestTools:
    async def test_p7_a_function_runs_its_result_goes_out_and_one_response_follows(self):
        async def weather(params: FunctionCallParams) -> None:
            await params.result_callback({"city": params.arguments["city"], "sky": "clear"})

        async with conversation(prepare=lambda llm: llm.register_function("weather", weather)) as (
            _,
            server,
            _llm,
        ):
            await server.say(response_created(), arguments_done("call_1", "weather", '{"city": "Paris"}'))
            result = await server.expect("conversation.item.create")
            assert result["item"]["call_id"] == "call_1"
            assert result["item"]["output"] == '{"city":"Paris","sky":"clear"}'
            await server.say(item_added(result["item"]["id"]), response_done())
            await server.expect("response.create")
        assert [event["type"] for event in server.received].count("response.create") == 1

    async def test_p7_with_an_aggregator_there_is_one_response_as_well(self):
        async def weather(params: FunctionCallParams) -> None:
            await params.result_callback("clear")

        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hello"}]))
        after = Recorder(keep=FrameDirection.DOWNSTREAM)
        async with conversation(
            prepare=lambda llm: llm.register_function("weather", weather),
            around=lambda llm: [pair.user(), llm, after, pair.assistant()],
        ) as (_bot, server, _):
            await server.say(response_created(), arguments_done("call_1", "weather", "{}"))
            result = await server.expect("conversation.item.create")
            await server.say(item_added(result["item"]["id"]), response_done())
            await server.expect("response.create")
            await server.say(response_created("resp_2"), response_done("resp_2"))
            await after.wait_for(LLMFullResponseEndFrame, count=2)
        assert [event["type"] for event in server.received].count("response.create") == 1

    async def test_bad_arguments_go_back_to_the_model_as_an_error(self):
        async with conversation() as (_, server, _llm):
            await server.say(response_created(), arguments_done("call_1", "weather", "{"), response_done())
            result = await server.expect("conversation.item.create")
            assert "not JSON" in result["item"]["output"]
            await server.expect("response.create")

    async def test_an_unknown_function_is_answered_so_that_the_model_goes_on(self):
        async with conversation() as (_, server, _llm):
            await server.say(response_created(), arguments_done("call_1", "nothing", "{}"), response_done())
            result = await server.expect("conversation.item.create")
            assert "nothing" in result["item"]["output"]
            await server.expect("response.create")

    async def test_a_call_cut_by_a_barge_in_is_answered_as_cancelled(self):
        started = asyncio.Event()

        async def slow(_params: FunctionCallParams) -> None:
            started.set()
            await asyncio.Event().wait()

        async with conversation(prepare=lambda llm: llm.register_function("slow", slow)) as (_, server, _llm):
            await server.say(response_created(), arguments_done("call_1", "slow", "{}"), response_done())
            await started.wait()
            await server.say(speech_started())
            result = await server.expect("conversation.item.create")
            assert (result["item"]["call_id"], result["item"]["output"]) == ("call_1", "CANCELLED")


class TestSettings:
    async def test_an_update_changes_only_what_it_names(self):
        begin = SessionProperties(instructions="A", max_output_tokens=100)
        async with conversation(begin) as (bot, server, _):
            await bot.worker.queue_frame(
                LLMUpdateSettingsFrame(settings={"instructions": "Now speak in Spanish."})
            )
            update = await server.expect("session.update")
        assert update["session"] == {"type": "realtime", "instructions": "Now speak in Spanish."}

    async def test_a_delta_does_the_same(self):
        async with conversation() as (bot, server, _):
            settings = OpenAIRealtimeLLMService.Settings
            changes = settings(
                system_instruction="B", session_properties=SessionProperties(tool_choice="none")
            )
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(delta=changes))
            update = await server.expect("session.update")
        assert update["session"] == {"type": "realtime", "instructions": "B", "tool_choice": "none"}

    async def test_a_bad_value_sends_nothing_and_names_the_field(self):
        async with conversation() as (bot, server, _):
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"max_output_tokens": 0}))
            [problem] = await bot.up.wait_for(ErrorFrame)
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "C"}))
            update = await server.expect("session.update")
        assert "max_output_tokens" in problem.error
        assert update["session"] == {"type": "realtime", "instructions": "C"}

    async def test_temperature_is_left_out_of_an_update(self):
        async with conversation() as (bot, server, _):
            await bot.worker.queue_frame(
                LLMUpdateSettingsFrame(settings={"temperature": 0.7, "instructions": "D"})
            )
            update = await server.expect("session.update")
        assert update["session"] == {"type": "realtime", "instructions": "D"}


@pytest.mark.usefixtures("both_wires")
class TestContext:
    async def test_a_context_is_put_into_the_conversation_once_and_answered(self):
        context = LLMContext([{"role": "user", "content": "Tell me a joke."}])
        async with conversation() as (bot, server, _):
            await bot.worker.queue_frame(LLMContextFrame(context))
            item = await server.expect("conversation.item.create")
            assert item["item"]["content"] == [{"type": "input_text", "text": "Tell me a joke."}]
            await server.expect("response.create")

    async def test_llm_run_frame_starts_the_bot_through_an_aggregator(self):
        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hello"}]))
        async with conversation(around=lambda llm: [pair.user(), llm, pair.assistant()]) as (bot, server, _):
            await bot.worker.queue_frame(LLMRunFrame())
            await server.expect("conversation.item.create")
            await server.expect("response.create")


@pytest.mark.usefixtures("both_wires")
class TestItems:
    async def test_items_are_announced_to_handlers(self):
        seen: list[tuple[str, str, bool]] = []

        def prepare(llm: OpenAIRealtimeLLMService) -> None:
            @llm.event_handler("on_conversation_item_created")
            async def on_created(service, item_id, item):
                seen.append(("created", item_id, item is not None))

            @llm.event_handler("on_conversation_item_updated")
            async def on_updated(service, item_id, item):
                seen.append(("updated", item_id, item is not None))

        async with conversation(prepare=prepare) as (bot, server, _):
            await server.say(response_created(), item_added("item_1"), item_done("item_1"))
            await server.say(line("conversation.item.truncated", item_id="item_1"), response_done())
            await bot.down.wait_for(LLMFullResponseEndFrame)
        assert sorted(seen) == [
            ("created", "item_1", True),
            ("updated", "item_1", False),
            ("updated", "item_1", True),
        ]

    async def test_an_item_is_retrieved_once_for_all_who_ask(self):
        async with conversation() as (_, server, llm):
            asking = [asyncio.create_task(llm.retrieve_conversation_item("item_1")) for _ in range(2)]
            await server.expect("conversation.item.retrieve")
            await server.say(line("conversation.item.retrieved", item={"id": "item_1"}))
            assert await asyncio.gather(*asking) == [{"id": "item_1"}] * 2
        assert [event["type"] for event in server.received].count("conversation.item.retrieve") == 1

    async def test_an_item_that_does_not_exist_is_an_error_that_says_so(self):
        async with conversation() as (_, server, llm):
            asking = asyncio.create_task(llm.retrieve_conversation_item("item_9"))
            ask = await server.expect("conversation.item.retrieve")
            await server.say(error("item_retrieve_invalid_item_id", ask["event_id"], message="no such item"))
            with pytest.raises(VoicepipeError, match="item_9: no such item"):
                await asking


@pytest.mark.usefixtures("both_wires")
class TestFailures:
    async def test_p15_an_error_event_that_is_not_fatal_leaves_the_conversation_going(self):
        async with conversation() as (bot, server, llm):
            await server.say(error("invalid_value", "evt_x", message="no such thing"))
            [problem] = await bot.up.wait_for(ErrorFrame)
            assert "no such thing" in problem.error
            await server.say(response_created(), audio_delta(20), response_done())
            await bot.down.wait_for(LLMFullResponseEndFrame)
            assert llm.is_usable
            assert not bot.ended.done()

    async def test_p15_a_fatal_error_ends_the_run_and_says_why(self):
        async with conversation() as (bot, server, _):
            await server.say(error("insufficient_quota", message="You have no credit."))
            async with asyncio.timeout(5):
                result = await bot.ended
        assert result.reason == "failed"
        assert "You have no credit." in result.detail

    @pytest.mark.parametrize("how", ["vanish", "hang_up"])
    async def test_brackets_are_closed_when_the_socket_drops_inside_an_answer(self, how):
        async with conversation(reconnect=Reconnect(tries=0)) as (bot, server, _):
            await server.say(response_created(), audio_delta(100))
            await bot.down.wait_for(TTSAudioRawFrame)
            await getattr(server, how)()
            async with asyncio.timeout(5):
                result = await bot.ended
        assert bot.down.names(*BRACKETS) == [
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        assert result.reason == "failed"
        assert "closed the connection" in result.detail

    @pytest.mark.parametrize("frame", [EndFrame(), CancelFrame()])
    async def test_brackets_are_closed_when_the_pipeline_ends_inside_an_answer(self, frame):
        async with conversation() as (bot, server, _):
            await server.say(response_created(), audio_delta(100))
            await bot.down.wait_for(TTSAudioRawFrame)
            await bot.worker.queue_frame(frame)
            async with asyncio.timeout(5):
                await bot.ended
        assert bot.down.names(*BRACKETS)[-2:] == ["TTSStoppedFrame", "LLMFullResponseEndFrame"]

    async def test_a_server_that_is_not_there_ends_the_run_and_says_where_it_was_looked_for(self):
        llm = OpenAIRealtimeLLMService(api_key="secret-key", base_url="ws://127.0.0.1:9/v1/realtime")
        async with running(llm) as bot, asyncio.timeout(5):
            result = await bot.ended
        assert result.reason == "failed"
        assert "ws://127.0.0.1:9/v1/realtime" in result.detail
        assert "secret-key" not in result.detail

    async def test_a_server_that_does_not_answer_the_handshake_is_given_up(self):
        writers: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        llm = OpenAIRealtimeLLMService(
            api_key="k", base_url=f"ws://127.0.0.1:{port}/v1/realtime", limits=Limits(connect_secs=0.05)
        )
        async with silent:
            async with running(llm) as bot, asyncio.timeout(5):
                result = await bot.ended
            for writer in writers:
                writer.close()
                await writer.wait_closed()
        assert "did not answer within 0.05 s" in result.detail


class TestConnecting:
    async def test_the_model_is_in_the_url_and_the_key_in_the_header_and_no_beta_header(self):
        async with conversation() as (_, server, llm):
            assert server.path == "/v1/realtime?model=gpt-realtime"
            headers = {name.lower(): value for name, value in server.headers.items()}
            assert headers["authorization"] == "Bearer k"
            assert "openai-beta" not in headers
            assert "Bearer" not in repr(await llm.endpoint())

    def test_an_empty_key_is_refused_at_once(self):
        with pytest.raises(ValueError, match="api_key"):
            OpenAIRealtimeLLMService(api_key="")

    def test_a_translation_model_is_refused_and_the_endpoint_for_it_named(self):
        with pytest.raises(ValueError, match="/v1/realtime/translations"):
            OpenAIRealtimeLLMService(api_key="k", model="gpt-realtime-translate-2")
