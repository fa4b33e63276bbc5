"""What a session needs of the part of its pipeline that thinks, whichever way it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallHandler, LLMService

from voicepipe.agents.agent import Agent
from voicepipe.agents.history import ChatContext, ChatItem, ChatMessage
from voicepipe.agents.model import Capabilities
from voicepipe.agents.rounds import Outcome
from voicepipe.agents.speech import Wish
from voicepipe.agents.tools import FunctionTool


class Engine(Protocol):
    """A realtime model, or speech to text, a language model and text to speech."""

    voice_apart: bool
    """Whether a text-to-speech service gives the words a sound."""

    capabilities: Capabilities
    """What can be asked of the model."""

    @property
    def before_output(self) -> Sequence[FrameProcessor]:
        """The processors between the room's input and its output."""
        ...

    @property
    def after_output(self) -> Sequence[FrameProcessor]:
        """The processors behind the room's output."""
        ...

    @property
    def answers_turns(self) -> bool:
        """Whether the end of the user's turn is answered without anybody asking."""
        ...

    async def become(self, agent: Agent, tools: Sequence[FunctionTool]) -> None:
        """Take over an agent's instructions, and offer the model these tools and no others.

        Raises:
            SettingsError: Before the session has begun: the model cannot take them.
        """
        ...

    async def perform(self, wish: Wish, worker: PipelineWorker) -> None:
        """Have the agent speak."""
        ...

    async def commit_user_turn(self, worker: PipelineWorker) -> None:
        """End the user's turn and have it answered, where the application decides turns."""
        ...

    async def clear_user_turn(self) -> None:
        """Forget what the user has said since the last turn."""
        ...

    def settle(self, *, bot_is_silent: bool, interrupted: bool) -> None:
        """Bring the history up to date.

        Args:
            bot_is_silent: Whether what the bot said last is over.
            interrupted: Whether that was cut.
        """
        ...

    def executed(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of function calls and what they gave."""
        ...


class ToolBelt:
    """Registers tools with a language model's service, and takes back those that are no longer offered."""

    def __init__(self, llm: LLMService[Any], handler: Callable[[FunctionTool], FunctionCallHandler]) -> None:
        self._llm = llm
        self._handler = handler
        self._names: set[str] = set()

    def offer(self, tools: Sequence[FunctionTool]) -> None:
        """Register these; those that were registered before and are not among them are taken back."""
        for name in self._names - {tool.name for tool in tools}:
            self._llm.unregister_function(name)
        for tool in tools:
            self._llm.register_function(
                tool.name,
                self._handler(tool),
                cancel_on_interruption=tool.cancel_on_interruption,
                timeout_secs=tool.timeout_secs,
            )
        self._names = {tool.name for tool in tools}


class Chronicle:
    """A session's history, as engines write it."""

    def __init__(self) -> None:
        self.context = ChatContext()
        self.on_message: Callable[[ChatMessage], None] | None = None
        """Called with each message."""

    def add(self, item: ChatItem, *, before: Sequence[str] = ()) -> None:
        """Put an item in, before one of those named or at the end."""
        self.context.insert(item, before=before)
        if isinstance(item, ChatMessage) and self.on_message is not None:
            self.on_message(item)
