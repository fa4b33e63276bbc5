"""Builds a bot as far as possible without connecting it to anything, and finds the services in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.transports.base_transport import BaseTransport

from voicepipe.bots import pipeline_of
from voicepipe.errors import VoicepipeError
from voicepipe.offline import OpenAIPlace
from voicepipe.realtime.service import RealtimeService
from voicepipe.testing.bots import AgentBot, Bot, PhoneBot, PipelineBot


async def services_of(bot: Bot, place: OpenAIPlace) -> list[RealtimeService]:
    """Return the realtime services of a bot; none of them has been connected.

    Args:
        bot: The bot.
        place: Where it is told that the API is.

    Raises:
        VoicepipeError: It did not come as far as having a pipeline.
        Exception: What the bot raised.
    """
    if isinstance(bot, PipelineBot):
        return list(_services(await _pipelines_processors(bot, place)))
    if isinstance(bot, AgentBot):
        return list(_services(await _agents_processors(bot)))
    return list(_services(_phones_processors(bot)))


async def _pipelines_processors(bot: PipelineBot, place: OpenAIPlace) -> list[FrameProcessor]:
    try:
        made = await pipeline_of(lambda transport: bot.function(transport, place), _Doorway())
    except _Seen as seen:
        return seen.processors
    return [made]


def _phones_processors(bot: PhoneBot) -> list[FrameProcessor]:
    from voicepipe.phone.engines.engine import Brief

    agent = bot.agent
    made = agent.engine.bot(
        Brief(agent.system_prompt, agent.first_message, [_unbound(tool) for tool in agent.tools])
    )
    return [*made.ears, *made.mouth, *made.tail]


def _unbound(tool: Any) -> FunctionSchema:
    """Return a tool as the model is told of it, without the call that would run it."""
    if isinstance(tool, FunctionSchema):
        return tool
    parameters: Mapping[str, Any] = tool.parameters
    return FunctionSchema(
        name=tool.name,
        description=tool.description,
        properties=dict(parameters.get("properties", {})),
        required=list(parameters.get("required", [])),
        handler=_in_a_call,
    )


async def _in_a_call(params: FunctionCallParams) -> None:
    """Stand for what runs a tool in a call; nobody calls here."""
    await params.result_callback(None)


async def _agents_processors(bot: AgentBot) -> list[FrameProcessor]:
    door = _Doorway()
    try:
        await bot.server.serve(door)
    except _Seen as seen:
        return seen.processors
    raise VoicepipeError("the entrypoint started no session in its room")


class _Seen(Exception):
    """A pipeline has been put together; nothing of it has been set up."""

    def __init__(self, processors: list[FrameProcessor]) -> None:
        super().__init__("a pipeline was put together")
        self.processors = processors


class _Passage(FrameProcessor):
    """An end of a transport through which nothing goes."""


class _End(FrameProcessor):
    """Stops a session as soon as its pipeline is put together, before any of it connects."""

    def link(self, processor: FrameProcessor) -> None:
        """See what is before this one.

        Raises:
            _Seen: Always.
        """
        super().link(processor)
        found: list[FrameProcessor] = []
        before = self.previous
        while before is not None:
            found.append(before)
            before = before.previous
        raise _Seen(found[::-1])


class _Doorway(BaseTransport):
    def __init__(self) -> None:
        super().__init__()
        self._input, self._output = _Passage(), _End()

    def input(self) -> FrameProcessor:
        """The way in."""
        return self._input

    def output(self) -> FrameProcessor:
        """The way out."""
        return self._output


def _services(processors: Sequence[FrameProcessor]) -> Iterator[RealtimeService]:
    for processor in processors:
        if isinstance(processor, RealtimeService):
            yield processor
        yield from _services(processor.processors)
