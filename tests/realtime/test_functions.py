"""The model's functions: each is run and answered once, whatever its arguments, and one response follows."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    item_added,
    response_created,
    response_done,
    speech_started,
)
from tests.support.pipelines import Recorder
from tests.support.scripted_bot import conversation
from voicepipe.frames import LLMFullResponseEndFrame

pytestmark = pytest.mark.usefixtures("both_wires")


async def test_p7_a_function_runs_its_result_goes_out_and_one_response_follows():
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


async def test_p7_with_an_aggregator_there_is_one_response_as_well():
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


async def test_bad_arguments_go_back_to_the_model_as_an_error():
    async with conversation() as (_, server, _llm):
        await server.say(response_created(), arguments_done("call_1", "weather", "{"), response_done())
        result = await server.expect("conversation.item.create")
        assert "not JSON" in result["item"]["output"]
        await server.expect("response.create")


async def test_an_unknown_function_is_answered_so_that_the_model_goes_on():
    async with conversation() as (_, server, _llm):
        await server.say(response_created(), arguments_done("call_1", "nothing", "{}"), response_done())
        result = await server.expect("conversation.item.create")
        assert "nothing" in result["item"]["output"]
        await server.expect("response.create")


async def test_a_call_cut_by_a_barge_in_is_answered_as_cancelled():
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


@pytest.mark.parametrize(
    ("gave", "told"),
    [
        (2**70, "1180591620717411303424"),
        ({("a", 1): 2}, "{('a', 1): 2}"),
        ("half \ud83d", "half ?"),
        ({"half": "\ud83d"}, "{'half': '\\ud83d'}"),
        ({"when": date(2026, 1, 2)}, '{"when":"2026-01-02"}'),
    ],
)
async def test_p6_a_call_is_answered_whatever_its_function_gave(gave, told):
    async def odd(params: FunctionCallParams) -> None:
        await params.result_callback(gave)

    async with conversation(prepare=lambda llm: llm.register_function("odd", odd)) as (_, server, _llm):
        await server.say(response_created(), arguments_done("call_1", "odd", "{}"), response_done())
        result = await server.expect("conversation.item.create")
        assert result["item"]["output"] == told
        await server.expect("response.create")
