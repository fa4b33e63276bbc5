"""The tools an agent calls: those of the client, those of the server, and what the client is told of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from voicepipe.local.brain import Call, ToolResult, ToolUse
from voicepipe.local.elevenlabs.agent import Agent, ClientTool, EndCallTool, Tool, WebhookTool
from voicepipe.local.elevenlabs.events import Event, Events
from voicepipe.local.elevenlabs.history import History
from voicepipe.local.elevenlabs.timers import Timers
from voicepipe.local.elevenlabs.wishes import Out, RunTool

_TIMER: Final = "tool "
_NOT_AWAITED: Final = "Tool called."


@dataclass(frozen=True, slots=True)
class _Pending:
    """A call that is not answered yet."""

    tool: Tool
    call_id: str


class Tools:
    """Calls of one conversation.

    Args:
        agent: Has the tools.
        events: Of the conversation.
        history: Where calls and results go.
        timers: Of the conversation.
        prefix: What its call ids begin with.
    """

    def __init__(self, agent: Agent, events: Events, history: History, timers: Timers, prefix: str) -> None:
        self._tools = {tool.name: tool for tool in agent.tools}
        self._events = events
        self._history = history
        self._timers = timers
        self._prefix = prefix
        self._count = 0
        self._pending: dict[str, _Pending] = {}

    @property
    def are_pending(self) -> bool:
        """Whether a result is waited for."""
        return bool(self._pending)

    def offered(self, descriptions: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Return what the brain is told of them."""
        return [
            {
                "type": "function",
                "name": tool.name,
                "description": descriptions.get(tool.name, tool.description),
                "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
            }
            for tool in self._tools.values()
        ]

    def ends_the_call(self, call: Call) -> bool:
        """Whether a call is the one that ends the conversation."""
        return isinstance(self._tools.get(call.name), EndCallTool)

    def call(self, call: Call, now_ms: float) -> list[Out]:
        """Call a tool; one that is not there gives the brain an error."""
        self._count += 1
        call_id = f"{self._prefix}_call_{self._count}"
        self._history.add(ToolUse(call_id, call.name, call.arguments))
        tool = self._tools.get(call.name)
        if tool is None:
            self._history.add(ToolResult(call_id, _error(f"There is no tool {call.name!r}.")))
            return []
        pending = _Pending(tool, call_id)
        if isinstance(tool, EndCallTool):
            return [*self._answered(pending, "Call ended.", is_error=False)]
        if isinstance(tool, WebhookTool):
            self._pending[call_id] = pending
            requested = self._events.tool_request(tool.name, call_id, "webhook")
            return [requested, RunTool(call_id, tool, call.arguments)]
        return self._call_client(tool, pending, call.arguments, now_ms)

    def result(self, call_id: str, result: str, *, is_error: bool) -> list[Event]:
        """Take a result; one that nobody waits for any more is passed over."""
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return []
        self._timers.stop(_TIMER + call_id)
        return self._answered(pending, result, is_error=is_error)

    def time_out(self, timer: str) -> list[Event]:
        """Take that a timer is due: if it is a call's, the call has failed."""
        call_id = timer.removeprefix(_TIMER)
        pending = self._pending.get(call_id)
        if pending is None:
            return []
        return self.result(call_id, f"The tool {pending.tool.name!r} did not answer in time.", is_error=True)

    def _call_client(
        self, tool: ClientTool, pending: _Pending, parameters: Mapping[str, Any], now_ms: float
    ) -> list[Out]:
        expects = tool.expects_response
        told = self._events.client_tool_call(tool.name, pending.call_id, parameters, expects_response=expects)
        if not expects:
            return [told, *self._answered(pending, _NOT_AWAITED, is_error=False)]
        self._pending[pending.call_id] = pending
        if tool.response_timeout_secs is not None:
            self._timers.set(_TIMER + pending.call_id, now_ms + 1000 * tool.response_timeout_secs)
        return [told]

    def _answered(self, pending: _Pending, result: str, *, is_error: bool) -> list[Event]:
        self._history.add(ToolResult(pending.call_id, _error(result) if is_error else result))
        response = self._events.tool_response(
            pending.tool.name, pending.call_id, _type_of(pending.tool), is_error=is_error
        )
        return [response, self._events.tool_response_in_full(response, result)]


def _error(message: str) -> str:
    return orjson.dumps({"error": message}).decode()


def _type_of(tool: Tool) -> str:
    if isinstance(tool, ClientTool):
        return "client"
    return "webhook" if isinstance(tool, WebhookTool) else "system"
