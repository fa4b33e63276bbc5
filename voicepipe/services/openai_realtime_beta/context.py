"""The context of older bots: a Pipecat context that also holds the instructions (seed rows S003-47, S003-48)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.types import NOT_GIVEN


class OpenAIRealtimeLLMContext(LLMContext):
    """Messages, tools and instructions of one conversation.

    Args:
        messages: What was said before.
        tools: A `ToolsSchema`, or a list of `FunctionSchema`s, direct functions and dicts in the wire's shape; none if
            empty.
        system: The instructions of the session. They take the place of those in its settings, and are no message.
        tool_choice: Whether the model may, must not or must use a tool.
    """

    def __init__(
        self,
        messages: list[Any] | None = None,
        tools: Any = None,
        *,
        system: str = "",
        tool_choice: Any = NOT_GIVEN,
    ) -> None:
        super().__init__(messages, _as_schema(tools) if tools else NOT_GIVEN, tool_choice)
        self.system = system
        """The instructions; "" leaves those of the settings."""


def _as_schema(tools: Any) -> Any:
    if not isinstance(tools, list):
        return tools
    given = cast("list[Any]", tools)
    own = [dict(cast("Mapping[str, Any]", tool)) for tool in given if isinstance(tool, Mapping)]
    standard = [tool for tool in given if not isinstance(tool, Mapping)]
    return ToolsSchema(standard_tools=standard, custom_tools={AdapterType.OPENAI: own} if own else None)
