"""Running the tools a model called, and what becomes of what they give.

The calls of one response run together and are one round. When all of them are over, the session is told, hand-overs
are made, and only then are the results told to the model, which waits for all of them anyway.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from loguru import logger
from pipecat.services.llm_service import FunctionCallHandler, FunctionCallParams
from pydantic import BaseModel

from voicepipe.agents.agent import Agent
from voicepipe.agents.history import FunctionCall, FunctionCallOutput
from voicepipe.agents.run_context import RunContext, StopResponse, ToolError
from voicepipe.agents.tools import FunctionTool
from voicepipe.frames import FunctionCallResultProperties
from voicepipe.realtime.translation import tool_output


@dataclass(slots=True)
class Outcome:
    """What came of a call.

    Parameters:
        call: The call.
        result: What the model is told, as a value.
        output: The same as a text.
        replies: Whether the model is to speak to it.
        agent: Who is to take over.
    """

    call: FunctionCall
    result: Any
    output: FunctionCallOutput
    replies: bool = True
    agent: Agent | None = None


OnRound = Callable[[list[Outcome]], Awaitable[None]]
"""Called with a round's outcomes before the model is told them; may change `replies`."""


class _Round:
    """Calls that run together."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.is_over = asyncio.Event()
        self.is_told = False
        self.telling = asyncio.Lock()


class Rounds:
    """Runs tools.

    Args:
        context_of: Gives the context for a call of a tool.
        on_round: Is told of each round.
    """

    def __init__(
        self, context_of: Callable[[FunctionTool, FunctionCall], RunContext], on_round: OnRound
    ) -> None:
        self._context_of = context_of
        self._on_round = on_round
        self._round: _Round | None = None

    def handler(self, tool: FunctionTool) -> FunctionCallHandler:
        """Return a tool's handler, as Pipecat's services call it."""

        async def handle(params: FunctionCallParams) -> None:
            call = FunctionCall(
                call_id=params.tool_call_id,
                name=tool.name,
                arguments=json.dumps(params.arguments, ensure_ascii=False),
            )
            outcome = await self._run(tool, call, params.arguments)
            properties = FunctionCallResultProperties(run_llm=outcome.replies)
            await params.result_callback(_told(outcome), properties=properties)

        return handle

    async def _run(self, tool: FunctionTool, call: FunctionCall, arguments: Mapping[str, Any]) -> Outcome:
        together = self._round = self._round or _Round()
        together.running.add(call.call_id)
        try:
            outcome = await _outcome(tool, self._context_of(tool, call), arguments)
            together.outcomes.append(outcome)
        finally:
            # Also a call that is cancelled, or the others would wait for it.
            together.running.discard(call.call_id)
            if not together.running:
                self._round = None
                together.is_over.set()
        await together.is_over.wait()
        async with together.telling:
            if not together.is_told:
                together.is_told = True
                await self._on_round(together.outcomes)
        return outcome


async def _outcome(tool: FunctionTool, context: RunContext, arguments: Mapping[str, Any]) -> Outcome:
    call = context.function_call
    try:
        return _returned(call, await tool.run(context, arguments))
    except ToolError as error:
        return _made(call, {"error": error.message}, is_error=True)
    except StopResponse:
        return _made(call, None, replies=False)
    except Exception:  # noqa: BLE001 - whatever a tool raises, the conversation goes on
        logger.exception(f"the tool {tool.name} failed")
        return _made(call, {"error": f"{tool.name} failed"}, is_error=True)


def _returned(call: FunctionCall, result: Any) -> Outcome:
    if isinstance(result, Agent):
        return _made(call, f"{result.id} takes over.", agent=result)
    if isinstance(result, tuple) and result and isinstance(result[0], Agent):
        agent, *rest = cast("tuple[Agent, Any]", result)
        return _made(call, rest[0] if len(rest) == 1 else rest, agent=agent)
    return _made(call, result)


def _made(
    call: FunctionCall,
    result: Any,
    *,
    is_error: bool = False,
    replies: bool = True,
    agent: Agent | None = None,
) -> Outcome:
    result = _plain(result)
    output = FunctionCallOutput(
        call_id=call.call_id,
        name=call.name,
        output=tool_output(result),
        is_error=is_error,
        reply_required=replies,
    )
    return Outcome(call, result, output, replies, agent)


def _plain(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = dataclasses.asdict(result)
    if result is None or isinstance(result, str):
        return result
    # Pipecat's aggregators write it as JSON themselves, and drop what they cannot write.
    return orjson.loads(tool_output(result))


def _told(outcome: Outcome) -> Any:
    # To Pipecat's aggregators an empty result is none, to which nobody speaks: 0 and False are results.
    is_told = outcome.result or not outcome.replies
    return outcome.result if is_told else outcome.output.output or tool_output(None)
