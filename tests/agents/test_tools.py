"""What a function becomes as a tool: its schema, and its arguments."""

from __future__ import annotations

import json
from enum import Enum
from typing import Literal

import pytest
from pydantic import BaseModel

from voicepipe.agents import Agent, RunContext, function_tool
from voicepipe.errors import SettingsError


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Topping(BaseModel):
    title: str
    grams: int = 10


class Knot(BaseModel):
    inner: list[Knot]


class Odd:
    pass


async def test_a_tool_gets_values_of_the_types_that_it_says():
    got = []

    @function_tool
    async def order(ctx: RunContext, size: Size, toppings: list[Topping]) -> None:
        """Order."""
        got.append((ctx, size, toppings))

    await order.run("context", {"size": "small", "toppings": [{"title": "olives"}]})
    assert got == [("context", Size.SMALL, [Topping(title="olives")])]


def test_a_function_that_cannot_be_a_tool_is_refused_by_name():
    def no_hint(x):
        pass

    def no_json(x: Odd) -> None:
        pass

    def endless(x: Knot) -> None:
        pass

    def any_number(*x: int) -> None:
        pass

    for function, why in (
        (no_hint, "no_hint.x: needs a type hint"),
        (no_json, "no_json: a parameter's type has no JSON"),
        (endless, "endless: the type Knot contains itself"),
        (any_number, "any_number.x: stands for any number of arguments"),
    ):
        with pytest.raises(SettingsError, match=why):
            function_tool(function)

    def first(x: int) -> None: ...

    with pytest.raises(SettingsError, match="there are two of the name 'first'"):
        Agent(instructions="", tools=[first, first])
    with pytest.raises(SettingsError, match="raw_schema"):
        function_tool(raw_schema={})(first)


async def test_a_schema_by_hand_gives_all_arguments_as_one():
    @function_tool(raw_schema={"name": "any", "description": "Anything.", "parameters": {"type": "object"}})
    async def anything(raw_arguments: dict) -> dict:
        return raw_arguments

    assert anything.wire == {
        "type": "function",
        "name": "any",
        "description": "Anything.",
        "parameters": {"type": "object"},
    }
    assert await anything.run(None, {"a": 1}) == {"a": 1}


def test_a_schema_comes_from_type_hints_and_docstring():
    class Kitchen(Agent):
        @function_tool()
        async def order(
            self,
            ctx: RunContext,
            size: Size,
            toppings: list[Topping],
            crust: Literal["thin", "thick"] = "thin",
            note: str | None = None,
        ) -> str:
            """Order a pizza.

            It is baked at once.

            Args:
                size: How large it is.
                note: For the cook.
            """
            self.got = (size, toppings, crust, note, ctx)
            return "done"

    [tool] = Kitchen(instructions="").tools
    assert (tool.name, tool.description) == ("order", "Order a pizza.\n\nIt is baked at once.")
    properties = tool.parameters["properties"]
    assert list(properties) == ["size", "toppings", "crust", "note"]
    assert tool.parameters["required"] == ["size", "toppings"]
    assert properties["size"] == {
        "enum": ["small", "large"],
        "type": "string",
        "description": "How large it is.",
    }
    assert properties["toppings"]["items"]["properties"] == {
        "title": {"type": "string"},
        "grams": {"type": "integer", "default": 10},
    }
    assert properties["crust"]["default"] == "thin"
    assert properties["note"]["description"] == "For the cook."
    assert "$" not in json.dumps(tool.parameters)
