"""Tools as people give them, checked and in the wire's flat shape (seed contradiction C19; protocol page, section 7)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from pipecat.adapters.llm.schemas.direct_function import DirectFunction
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pydantic_core import PydanticCustomError

from voicepipe.realtime.context import tools_in_wire_shape

_MCP_ADDRESSES = ("server_url", "connector_id", "tunnel_id")
_SECRETS = frozenset({"authorization", "headers"})

Runnable: TypeAlias = FunctionSchema | DirectFunction
"""What a tool was made of that brings its own handler."""


class RunnableTool(dict[str, Any]):
    """A function tool in the wire's shape that still knows the handler it came with.

    Attributes:
        source: The direct function, or the schema with its handler, by which a service registers it.
    """

    def __init__(self, fields: Mapping[str, Any], source: Runnable) -> None:
        super().__init__(fields)
        self.source = source


def tools_as_list(tools: Any) -> Any:
    """Return a `ToolsSchema` as the list of its tools; anything else as it is."""
    if not isinstance(tools, ToolsSchema):
        return tools
    direct: dict[str, Any] = {wrapper.name: wrapper.function for wrapper in tools.direct_functions}
    standard: list[Any] = [direct.get(schema.name, schema) for schema in tools.standard_tools]
    return [*standard, *tools_in_wire_shape(tools)[len(standard) :]]


def checked_tool(tool: Any) -> dict[str, Any]:
    """Return one tool in the wire's flat shape.

    Args:
        tool: A `FunctionSchema`, a direct function, or a dict: a function in the flat shape or in the one of chat
            completions, or an MCP server.

    Raises:
        PydanticCustomError: It is none of these, or lacks what the API needs; within a model's validation this names
            the tool.
    """
    if isinstance(tool, FunctionSchema):
        [flat] = tools_in_wire_shape([tool])
        return RunnableTool(flat, tool) if tool.handler is not None else flat
    if callable(tool):
        return _direct(tool)
    if not isinstance(tool, Mapping):
        raise _wrong(
            "a tool is a FunctionSchema, a direct function or a dict, not {type}", type=_type_of(tool)
        )
    if isinstance(tool, RunnableTool):
        return tool
    [flat] = tools_in_wire_shape([cast("Mapping[str, Any]", tool)])
    if flat.get("type") == "function":
        _check_function(flat)
    elif flat.get("type") == "mcp":
        _check_mcp(flat)
    else:
        raise _wrong('type: is "function" or "mcp", not {value}', value=repr(flat.get("type")))
    return flat


def runnable_tools(tools: Iterable[Mapping[str, Any]] | None) -> list[Runnable]:
    """Return what is to be registered so that these tools run."""
    return [tool.source for tool in tools or () if isinstance(tool, RunnableTool)]


def tool_without_secrets(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool fit for a log line: the keys of an MCP server are hidden."""
    return {name: "***" if name in _SECRETS else value for name, value in tool.items()}


def _direct(function: Any) -> RunnableTool:
    name = getattr(function, "__name__", _type_of(function))
    if (
        not inspect.iscoroutinefunction(function)
        or next(iter(inspect.signature(function).parameters), "") != "params"
    ):
        raise _wrong("the direct function {name} must be async and take `params` first", name=name)
    [flat] = tools_in_wire_shape(ToolsSchema([cast("DirectFunction", function)]))
    return RunnableTool(flat, cast("DirectFunction", function))


def _check_function(tool: Mapping[str, Any]) -> None:
    if not _is_text(tool.get("name")):
        raise _wrong("name: a function tool needs one")
    parameters = tool.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise _wrong(
            "parameters: of {name}: is a JSON schema as a dict, not {type}",
            name=tool["name"],
            type=_type_of(parameters),
        )


def _check_mcp(tool: Mapping[str, Any]) -> None:
    if not _is_text(tool.get("server_label")):
        raise _wrong("server_label: an MCP tool needs one")
    given = [name for name in _MCP_ADDRESSES if tool.get(name) is not None]
    if len(given) != 1 or not _is_text(tool[given[0]]):
        raise _wrong(
            "the MCP tool {label} needs one of server_url, connector_id and tunnel_id, as a text",
            label=tool["server_label"],
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _type_of(value: Any) -> str:
    return type(value).__name__


def _wrong(template: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("tool", cast("Any", template), context)
