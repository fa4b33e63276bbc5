"""Functions of the GA service in a running pipeline."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.services.llm_service import FunctionCallParams

from tests.services.openai.realtime.test_live_service import WEATHER
from tests.support.live_bot import bot
from voicepipe.frames import (
    FunctionCallResultProperties,
)
from voicepipe.realtime.fillers import Filler
from voicepipe.services.openai.realtime import (
    SessionProperties,
)

pytestmark = pytest.mark.virtual_time


@pytest.mark.usefixtures("both_wires")
class TestTools:
    async def test_p8_a_slow_tool_leaves_the_bot_speaking_and_its_result_is_spoken_when_it_comes(self):
        finish = asyncio.Event()

        async def weather(params: FunctionCallParams) -> None:
            await finish.wait()
            await params.result_callback({"temperature": 5, "conditions": "rain"})

        filler = Filler(after_ms=1000, instructions="answer: One moment.")
        async with bot(SessionProperties(tools=[WEATHER]), tool_filler=filler) as b:
            b.llm.register_function("get_weather", weather, cancel_on_interruption=False)
            await b.say("what is the weather in rome")
            await b.answer()
            assert await b.answer() == "One moment."
            await b.say("hello")
            assert await b.answer() == "Hello! How can I help you?"
            finish.set()
            assert "rain" in await b.answer()

    async def test_progress_of_a_tool_reaches_the_model_before_its_result(self):
        go_on = asyncio.Event()

        async def weather(params: FunctionCallParams) -> None:
            halfway = FunctionCallResultProperties(is_final=False)
            await params.result_callback("half of it is loaded", properties=halfway)
            await go_on.wait()
            await params.result_callback({"temperature": 5, "conditions": "rain"})

        async with bot(SessionProperties(tools=[WEATHER])) as b:
            b.llm.register_function("get_weather", weather, cancel_on_interruption=False)
            await b.say("what is the weather in rome")
            await b.answer()
            go_on.set()
            assert "rain" in await b.answer()
        progress, result = (event["item"] for event in b.sent("conversation.item.create"))
        assert "half of it is loaded" in progress["content"][0]["text"]
        assert result["type"] == "function_call_output"

    async def test_a_direct_function_is_offered_and_run(self):
        async def get_weather(params: FunctionCallParams, city: str) -> None:
            """The weather in a city.

            Args:
                city: The city.
            """
            await params.result_callback({"temperature": 5, "conditions": f"rain over {city}"})

        async with bot(SessionProperties(tools=[get_weather])) as b:
            await b.say("what is the weather in rome")
            await b.answer()
            assert await b.answer() == "In Rome it is 5 degrees and rain over Rome."

    async def test_a_quick_tool_needs_no_filler(self):
        async def weather(params: FunctionCallParams) -> None:
            await params.result_callback({"temperature": 5, "conditions": "rain"})

        async with bot(SessionProperties(tools=[WEATHER]), tool_filler=Filler(after_ms=500)) as b:
            b.llm.register_function("get_weather", weather)
            await b.say("what is the weather in rome")
            await b.answer()
            assert "rain" in await b.answer()
            await asyncio.sleep(2)
        assert all("still working" not in str(event) for event in b.sent("response.create"))

    async def test_p6_a_call_cut_by_a_barge_in_is_answered_as_cancelled(self):
        never = asyncio.Event()

        async def weather(params: FunctionCallParams) -> None:
            await never.wait()

        async with bot(SessionProperties(tools=[WEATHER])) as b:
            b.llm.register_function("get_weather", weather, cancel_on_interruption=True)
            await b.say("what is the weather in rome")
            await b.answer()
            await b.say("hello")
            assert await b.answer() == "Hello! How can I help you?"
        [answer] = b.sent("conversation.item.create")
        assert (answer["item"]["type"], answer["item"]["output"]) == ("function_call_output", "CANCELLED")

    async def test_a_tool_that_takes_too_long_is_told_as_cancelled_and_the_model_speaks(self):
        never = asyncio.Event()

        async def weather(params: FunctionCallParams) -> None:
            await never.wait()

        async with bot(SessionProperties(tools=[WEATHER])) as b:
            b.llm.register_function("get_weather", weather, timeout_secs=3)
            await b.say("what is the weather in rome")
            await b.answer()
            assert await b.answer()
        [answer] = b.sent("conversation.item.create")
        assert answer["item"]["output"] == "CANCELLED"
