"""Functions that a model may call: `@function_tool`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, overload

from voicepipe.agents.run_context import RunContext
from voicepipe.agents.schema import Signature
from voicepipe.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A function with all that a model is told of it. It can be called like the function itself.

    Parameters:
        name: What the model calls it.
        description: What it is for.
        parameters: A JSON schema of an object.
        function: What is called.
        signature: How arguments are passed; None passes them all as one dict, for a schema that was written by hand.
        cancel_on_interruption: Whether it is given up when the user interrupts.
        timeout_secs: How long it may take; None is for ever.
        owner: The agent it is a method of.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Any]
    signature: Signature | None
    cancel_on_interruption: bool = True
    timeout_secs: float | None = None
    owner: object = None

    def __get__(self, owner: object, owner_type: type | None = None) -> FunctionTool:
        """Return the tool as one of an object's methods."""
        return self if owner is None else replace(self, owner=owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*self._owner(), *args, **kwargs)

    @property
    def wire(self) -> dict[str, Any]:
        """The tool in the flat shape that realtime APIs take."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }

    async def run(self, context: RunContext, arguments: Mapping[str, Any]) -> Any:
        """Call the function with a model's arguments; one that is not `async` runs in a thread, so that sound goes on.

        Raises:
            ToolError: The arguments do not fit, or the function raised it.
            Exception: What the function raises.
        """
        call = functools.partial(self.function, *self._owner(), **self._arguments(context, arguments))
        if inspect.iscoroutinefunction(self.function):
            return await call()
        result = await asyncio.to_thread(call)
        return await result if inspect.isawaitable(result) else result

    def _arguments(self, context: RunContext, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.signature is None:
            return {"raw_arguments": dict(given)}
        arguments = self.signature.arguments(given)
        if self.signature.context_name is not None:
            arguments[self.signature.context_name] = context
        return arguments

    def _owner(self) -> tuple[object, ...]:
        return () if self.owner is None else (self.owner,)


Tool: TypeAlias = FunctionTool | Callable[..., Any]
"""A `@function_tool`, or a function that becomes one."""


@overload
def function_tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def function_tool(
    *,
    name: str | None = None,
    description: str | None = None,
    raw_schema: Mapping[str, Any] | None = None,
    cancel_on_interruption: bool = True,
    timeout_secs: float | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def function_tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    raw_schema: Mapping[str, Any] | None = None,
    cancel_on_interruption: bool = True,
    timeout_secs: float | None = None,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a function, or a method of an agent, one that the model may call; with or without parentheses.

        @function_tool
        async def lookup_order(ctx: RunContext, order_id: str) -> str:
            \"\"\"Look up an order.

            :param order_id: The number of the order.
            \"\"\"

    The schema comes from the type hints, what is said of it from the docstring. What it returns is told to the model:
    a text as it is, anything else as JSON. An `Agent` (or a tuple of one and a result) hands the conversation over. What it
    raises is told as an error: a `ToolError` with its message, any other without.

    Args:
        function: The function; `async` or not. One that is not runs in a thread.
        name: What the model calls it; by default the function's name.
        description: What it is for; by default the docstring.
        raw_schema: A schema written by hand: `name`, `description` and `parameters`. The function then gets all arguments
            as one dict, `raw_arguments`.
        cancel_on_interruption: Whether it is given up when the user interrupts.
        timeout_secs: How long it may take; None is for ever.

    Raises:
        SettingsError: A parameter has no type hint or one that JSON has nothing for, or the hand-written schema has no
            name.
    """

    def make(function: Callable[..., Any]) -> FunctionTool:
        fields = dict(raw_schema) if raw_schema is not None else _described(function)
        if not isinstance(fields.get("name"), str):
            raise SettingsError("raw_schema", "needs a name")
        return FunctionTool(
            name=name or fields["name"],
            description=description or fields.get("description") or "",
            parameters=fields.get("parameters") or {"type": "object", "properties": {}},
            function=function,
            signature=fields.get("signature"),
            cancel_on_interruption=cancel_on_interruption,
            timeout_secs=timeout_secs,
        )

    return make if function is None else make(function)


def _described(function: Callable[..., Any]) -> dict[str, Any]:
    signature = Signature(function)
    return {
        "name": signature.name,
        "description": signature.description,
        "parameters": signature.parameters,
        "signature": signature,
    }


def tools_of(owner: object) -> list[FunctionTool]:
    """Return the tools that are methods of an object, in the order in which its classes define them."""
    names = dict.fromkeys(
        name
        for class_ in reversed(type(owner).__mro__)
        for name, value in vars(class_).items()
        if isinstance(value, FunctionTool)
    )
    found: list[object] = [getattr(owner, name) for name in names]
    return [tool for tool in found if isinstance(tool, FunctionTool)]


def by_name(tools: Iterable[Tool]) -> dict[str, FunctionTool]:
    """Return tools by their names.

    Raises:
        SettingsError: Two have the same name, or a function cannot be a tool.
    """
    found: dict[str, FunctionTool] = {}
    for given in tools:
        tool = given if isinstance(given, FunctionTool) else function_tool(given)
        if tool.name in found:
            raise SettingsError("tools", f"there are two of the name {tool.name!r}")
        found[tool.name] = tool
    return found
