"""What a Pipecat context means to a realtime session: messages and tools in a neutral shape.

A realtime service needs no adapter to run an inference; Pipecat's base class asks for one for its tools and its logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict, cast

from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext

from voicepipe.realtime.session import Role

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True, slots=True)
class ContextMessage:
    """A message from a context.

    Parameters:
        role: Whose it is.
        text: Its words.
        images: What the user showed with them: the address of each image, which may be a data URI.
    """

    role: Role
    text: str
    images: tuple[str, ...] = ()


Tool: TypeAlias = dict[str, Any]
"""A function tool in the flat shape that all realtime APIs take: `type`, `name`, `description`, `parameters`."""


class _Params(TypedDict):
    messages: list[ContextMessage]
    tools: list[Tool]


class RealtimeAdapter(BaseLLMAdapter[_Params]):
    """The adapter of all realtime services."""

    @property
    def id_for_llm_specific_messages(self) -> str:
        """The name under which a context holds messages meant for these services alone."""
        return "voicepipe-realtime"

    async def get_llm_invocation_params(self, context: LLMContext, **_: Any) -> _Params:
        """Return the context's messages and tools."""
        tools = context.tools
        offered = tools_in_wire_shape(tools) if isinstance(tools, ToolsSchema) else []
        return {"messages": messages_of(context), "tools": offered}

    def to_provider_tools_format(self, tools_schema: ToolsSchema) -> list[Any]:
        """Return tools in the flat shape."""
        return tools_in_wire_shape(tools_schema)

    def get_messages_for_logging(self, context: LLMContext) -> list[dict[str, Any]]:
        """Return the messages with images and sound cut short."""
        return cast("list[dict[str, Any]]", self.get_messages(context, truncate_large_values=True))


def messages_of(context: LLMContext) -> list[ContextMessage]:
    """Return the messages in a context, oldest first; what has neither text nor images is left out."""
    found = (message_of(message) for message in cast("list[Any]", context.get_messages()))
    return [message for message in found if message is not None]


def message_of(message: Any) -> ContextMessage | None:
    """Return what a context's message says and shows; None if that is nothing, or it is about a function call."""
    if not isinstance(message, Mapping):
        return None
    fields = cast("Mapping[str, Any]", message)
    role, content = _ROLES.get(str(fields.get("role"))), fields.get("content")
    text = text_of(content)
    images = _images_of(content) if role == "user" else ()
    return ContextMessage(role, text, images) if role and (text or images) else None


def text_of(content: Any) -> str:
    """Return the words of a message's content: a text, or those among its parts."""
    if isinstance(content, str):
        return content
    return " ".join(
        str(part["text"]) for part in _parts(content) if part.get("type") == "text" and part.get("text")
    )


def _images_of(content: Any) -> tuple[str, ...]:
    found = (part.get("image_url") for part in _parts(content) if part.get("type") == "image_url")
    addresses = (cast("Any", image).get("url") if isinstance(image, Mapping) else image for image in found)
    return tuple(address for address in addresses if isinstance(address, str) and address)


def _parts(content: Any) -> list[Mapping[str, Any]]:
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [cast("Mapping[str, Any]", part) for part in parts if isinstance(part, Mapping)]


def tools_in_wire_shape(tools: ToolsSchema | Iterable[FunctionSchema | Mapping[str, Any]]) -> list[Tool]:
    """Return tools in the flat shape, from a `ToolsSchema` or a list of schemas and dicts (seed contradiction C19).

    A dict in the shape of chat completions (`{"type": "function", "function": {...}}`) is made flat.
    """
    if isinstance(tools, ToolsSchema):
        own = (tools.custom_tools or {}).get(AdapterType.OPENAI, [])
        return [_flat(tool) for tool in [*cast("list[Any]", tools.standard_tools), *own]]
    return [_flat(tool) for tool in tools]


def tool_choice_in_wire_shape(choice: Any) -> Any:
    """Return which tool is to be used in the flat shape; a word as it is.

    What contexts hold in the shape of chat completions (`{"type": "function", "function": {"name": ...}}`) is made flat.
    """
    if not isinstance(choice, Mapping):
        return choice
    fields = cast("Mapping[str, Any]", choice)
    named = fields.get("function")
    return {"type": "function", **cast("Mapping[str, Any]", named)} if isinstance(named, Mapping) else fields


def _flat(tool: Any) -> Tool:
    if isinstance(tool, FunctionSchema):
        parameters = {"type": "object", "properties": tool.properties, "required": tool.required}
        return {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": parameters,
        }
    fields = dict(cast("Mapping[str, Any]", tool))
    inner = fields.get("function")
    return {"type": "function", **cast("Mapping[str, Any]", inner)} if isinstance(inner, Mapping) else fields
