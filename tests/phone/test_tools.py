"""The tools of a phone's agents: what the model is told of a function, what it may be given, and what comes of it."""

from __future__ import annotations

import threading
from typing import Literal

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams
from pydantic import BaseModel

from tests.phone.agents import conversation
from tests.support.phones import CALLER
from tests.support.tones import tone_server
from voicepipe.errors import SettingsError
from voicepipe.phone import (
    Call,
    CallHooks,
    Tool,
    tool,
    transfer_call,
)
from voicepipe.phone.tools import as_tool

virtual_time = pytest.mark.virtual_time


class Place(BaseModel):
    city: str


class TestTools:
    def test_a_function_becomes_a_tool_by_its_hints_and_its_docstring(self):
        async def get_weather(city: str, days: int = 1, unit: Literal["c", "f"] = "c") -> str:
            """The weather in a city.

            For some days.

            Args:
                city: Its name.
                days: How many.
            """
            return city

        made = as_tool(get_weather)
        assert (made.name, made.description) == ("get_weather", "The weather in a city.\n\nFor some days.")
        assert made.parameters["properties"]["city"] == {"type": "string", "description": "Its name."}
        assert made.parameters["properties"]["days"]["default"] == 1
        assert made.parameters["properties"]["unit"]["enum"] == ["c", "f"]
        assert made.parameters["required"] == ["city"]

    def test_what_cannot_be_a_tool_is_named(self):
        def without(city):
            return city

        def nested(place: Place) -> str:
            return place.city

        with pytest.raises(SettingsError, match=r"without\.city: has no type hint"):
            as_tool(without)
        with pytest.raises(SettingsError, match=r"Tool\(parameters="):
            as_tool(nested)
        with pytest.raises(SettingsError, match="str is no function"):
            as_tool("hello")
        with pytest.raises(SettingsError, match="numbers"):
            transfer_call({})
        with pytest.raises(SettingsError, match=r"numbers\.sales"):
            transfer_call({"sales": "12"})

    @virtual_time
    @pytest.mark.parametrize("kind", ["async", "direct", "schema", "Tool", "with the call"])
    async def test_all_sorts_of_tools_run_in_a_call(self, kind):
        uses = []

        async def asynchronous(city: str) -> dict:
            """The weather in a city."""
            return {"temperature": 7, "conditions": "fog"}

        async def direct(params: FunctionCallParams, city: str):
            """The weather in a city.

            Args:
                city: Its name.
            """
            await params.result_callback({"temperature": 7, "conditions": "fog"})

        async def with_call(city: str, call: Call) -> dict:
            """The weather in a city."""
            assert call.caller == CALLER
            return {"temperature": 7, "conditions": "fog"}

        async def handler(params: FunctionCallParams):
            await params.result_callback({"temperature": 7, "conditions": "fog"})

        city = {"type": "string"}
        direct.__name__ = "get_weather"
        given = {
            "async": tool(name="get_weather")(asynchronous),
            "direct": direct,
            "schema": FunctionSchema("get_weather", "Weather.", {"city": city}, ["city"], handler=handler),
            "Tool": Tool("get_weather", "Weather.", {"properties": {"city": city}}, asynchronous),
            "with the call": tool(name="get_weather")(with_call),
        }[kind]
        async with tone_server() as server:
            words, _ = await conversation(
                server,
                "weather in oslo",
                tools=[given],
                hooks=CallHooks(on_tool=lambda call, use: uses.append(use)),
            )
        assert words == "In Oslo it is 7 degrees and fog."
        [use] = uses
        assert (use.name, use.arguments, use.result["temperature"]) == ("get_weather", {"city": "Oslo"}, 7)

    @virtual_time
    async def test_a_tool_that_fails_is_told_to_the_model_and_the_hooks(self):
        errors = []

        @tool
        async def get_weather(city: str) -> str:
            """The weather."""
            raise LookupError("no such city")

        async with tone_server() as server:
            words, _ = await conversation(
                server,
                "weather in oslo",
                tools=[get_weather],
                hooks=CallHooks(on_error=lambda call, message: errors.append(message)),
            )
        assert "did not work" in words
        assert errors == ["tool get_weather: LookupError: no such city"]

    async def test_a_function_that_is_not_async_runs_in_a_thread(self):
        threads = []

        @tool
        def look_up(order: int) -> str:
            """Look an order up."""
            threads.append(threading.current_thread())
            return f"order {order}"

        results = []

        async def callback(result, properties=None):
            results.append(result)

        await look_up.schema(None).handler(_Params({"order": 7}, callback))
        assert results == ["order 7"]
        assert threads[0] is not threading.main_thread()

    async def test_arguments_that_do_not_fit_go_back_to_the_model(self):
        results = []

        @tool
        async def book(seats: int) -> str:
            """Book seats."""
            return "booked"

        async def callback(result, properties=None):
            results.append(result)

        await book.schema(None).handler(_Params({"seats": "many", "row": 1}, callback))
        assert "seats: Input should be a valid integer" in results[0]["error"]
        assert "row: Extra inputs" in results[0]["error"]

    @virtual_time
    async def test_a_plain_function_may_return_what_is_to_be_awaited(self):
        async def weather(city):
            return f"rain in {city}"

        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        results = []

        async def callback(result, properties=None):
            results.append(result)

        made = Tool("weather", "The weather.", schema, lambda city: weather(city.title()))
        await made.schema(None).handler(_Params({"city": "rome"}, callback))
        assert results == ["rain in Rome"]


class _Params:
    def __init__(self, arguments, result_callback):
        self.arguments = arguments
        self.result_callback = result_callback
