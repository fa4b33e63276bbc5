"""An agent on a chain of services: speech to text, a language model, text to speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallHandler, LLMService
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from voicepipe.agents.agent import Agent
from voicepipe.agents.engine import Chronicle, ToolBelt
from voicepipe.agents.history import ChatMessage
from voicepipe.agents.model import Capabilities
from voicepipe.agents.rounds import Outcome
from voicepipe.agents.speech import Wish
from voicepipe.agents.tools import FunctionTool
from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import SettingsError
from voicepipe.frames import LLMMessagesAppendFrame, LLMRunFrame, TTSSpeakFrame, UserStoppedSpeakingFrame

_SAMPLE_RATE: Final = 16_000
"""Of the user's sound: what a pipeline says it is unless it is told otherwise, so that services take it for that."""


class CascadeEngine:
    """Drives a chain of Pipecat services for a session.

    Args:
        llm: The language model.
        stt: Speech to text; without one, the user is not understood and only `generate_reply` is answered.
        tts: Text to speech; without one, answers are text.
        vad: Finds the user's speech.
        turns: Who decides when the user's turns begin and end; None is Pipecat's default.
        handler: Gives the handler of a tool.
        chronicle: The session's history.
    """

    def __init__(
        self,
        llm: LLMService[Any],
        *,
        stt: FrameProcessor | None,
        tts: FrameProcessor | None,
        vad: VADAnalyzer | None,
        turns: UserTurnStrategies | None,
        handler: Callable[[FunctionTool], FunctionCallHandler],
        chronicle: Chronicle,
    ) -> None:
        self.voice_apart = tts is not None
        self.capabilities = Capabilities()
        self._parts = [part for part in (stt, llm, tts) if part is not None]
        self._chronicle = chronicle
        self._belt = ToolBelt(llm, handler)
        self._context = LLMContext()
        params = LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=turns)
        self._aggregators = LLMContextAggregatorPair(self._context, user_params=params)
        self._llm = llm
        self._aggregators.user().add_event_handler("on_user_turn_stopped", self._user_said)
        self._aggregators.assistant().add_event_handler("on_assistant_turn_stopped", self._assistant_said)

    @property
    def context(self) -> LLMContext:
        """What the model is told."""
        return self._context

    @property
    def before_output(self) -> Sequence[FrameProcessor]:
        """The services, with the user's aggregator before the language model."""
        place = self._parts.index(self._llm)
        resampler = AudioResampler(in_rate=_SAMPLE_RATE)
        return [resampler, *self._parts[:place], self._aggregators.user(), *self._parts[place:]]

    @property
    def after_output(self) -> Sequence[FrameProcessor]:
        """The aggregator that writes down what was heard of the agent."""
        return [self._aggregators.assistant()]

    @property
    def answers_turns(self) -> bool:
        """Always: the user's aggregator asks the model."""
        return True

    async def become(self, agent: Agent, tools: Sequence[FunctionTool]) -> None:
        """Put the agent's instructions at the head of the context, and its tools into it."""
        self._belt.offer(tools)
        messages = cast("list[Any]", self._context.get_messages())
        rest = messages[1:] if messages and messages[0].get("role") == "system" else messages
        self._context.set_messages([{"role": "system", "content": agent.instructions}, *rest])
        self._context.set_tools(ToolsSchema(standard_tools=[_schema(tool) for tool in tools]))

    async def perform(self, wish: Wish, worker: PipelineWorker) -> None:
        """Have the agent say something; instructions for one answer stay in the context.

        Raises:
            SettingsError: `tool_choice` is given, which is not for one answer alone here.
        """
        if wish.text is not None:
            await worker.queue_frame(TTSSpeakFrame(wish.text, append_to_context=wish.add_to_chat_ctx))
            return
        if wish.tool_choice is not None:
            raise SettingsError("tool_choice", "is for realtime models; give the agent other tools instead")
        messages: list[Any] = []
        if wish.user_input is not None:
            messages.append({"role": "user", "content": wish.user_input})
            self._chronicle.add(ChatMessage(role="user", content=[wish.user_input]))
        if wish.instructions is not None:
            messages.append({"role": "system", "content": wish.instructions})
        if messages:
            await worker.queue_frame(LLMMessagesAppendFrame(messages, run_llm=True))
        else:
            await worker.queue_frame(LLMRunFrame())

    async def commit_user_turn(self, worker: PipelineWorker) -> None:
        """Say that the user's turn is over."""
        await worker.queue_frame(UserStoppedSpeakingFrame())

    async def clear_user_turn(self) -> None:
        """Forget what was understood of the turn so far."""
        await self._aggregators.user().reset()

    def settle(self, *, bot_is_silent: bool, interrupted: bool) -> None:
        """Nothing: the aggregators tell when a turn is written down."""

    def executed(self, outcomes: Sequence[Outcome]) -> None:
        """Write down calls, and what they gave."""
        for outcome in outcomes:
            self._chronicle.add(outcome.call)
            self._chronicle.add(outcome.output)

    async def _user_said(
        self, _aggregator: object, _strategy: object, message: UserTurnStoppedMessage
    ) -> None:
        if message.content:
            self._chronicle.add(ChatMessage(role="user", content=[message.content]))

    async def _assistant_said(self, _aggregator: object, message: AssistantTurnStoppedMessage) -> None:
        if message.content:
            said = ChatMessage(role="assistant", content=[message.content], interrupted=message.interrupted)
            self._chronicle.add(said)


def _schema(tool: FunctionTool) -> FunctionSchema:
    parameters = tool.parameters
    return FunctionSchema(
        name=tool.name,
        description=tool.description,
        properties=parameters.get("properties", {}),
        required=parameters.get("required", []),
    )
