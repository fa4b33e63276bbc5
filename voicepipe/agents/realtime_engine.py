"""An agent on a realtime model: one service hears, thinks and speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallHandler

from voicepipe.agents.agent import Agent
from voicepipe.agents.engine import Chronicle, ToolBelt
from voicepipe.agents.history import ChatItem, ChatMessage, FunctionCall, FunctionCallOutput
from voicepipe.agents.model import capabilities_of
from voicepipe.agents.rounds import Outcome
from voicepipe.agents.speech import Wish
from voicepipe.agents.tools import FunctionTool
from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import SettingsError
from voicepipe.frames import TTSSpeakFrame
from voicepipe.realtime.events import Failure
from voicepipe.realtime.history import Answered, Called, Entry, Said
from voicepipe.realtime.service import RealtimeService

_NOT_SAID: Final = (
    "this API speaks its own words only; `first_message` greets, and `generate_reply(user_input=...)` asks"
)
_NOT_ASKED: Final = "this API answers what the user said or wrote, and has no message for another wish"


class RealtimeEngine:
    """Drives a realtime service for a session.

    Args:
        service: The service.
        handler: Gives the handler of a tool.
        chronicle: The session's history.
        transcript: Whether the model's words are told.
        voice: A text-to-speech service, for a model that answers in text.
    """

    def __init__(
        self,
        service: RealtimeService,
        *,
        handler: Callable[[FunctionTool], FunctionCallHandler],
        chronicle: Chronicle,
        transcript: bool = True,
        voice: FrameProcessor | None = None,
    ) -> None:
        self.voice_apart = voice is not None
        self._service = service
        self.capabilities = capabilities_of(service)
        self._chronicle = chronicle
        self._transcript = transcript
        self._voice = voice
        self._belt = ToolBelt(service, handler)
        self._agent: Agent | None = None
        self._failed: set[str] = set()

    @property
    def before_output(self) -> Sequence[FrameProcessor]:
        """Resampler, service, and the voice if there is one apart."""
        processors: list[FrameProcessor] = [AudioResampler(), self._service]
        return [*processors, self._voice] if self._voice is not None else processors

    @property
    def after_output(self) -> Sequence[FrameProcessor]:
        """None."""
        return ()

    @property
    def answers_turns(self) -> bool:
        """Whether the server, or the service for it, answers turns."""
        return self._service.session.wants_answers

    async def become(self, agent: Agent, tools: Sequence[FunctionTool]) -> None:
        """Tell the session the agent's instructions and tools."""
        is_first, self._agent = self._agent is None, agent
        self._belt.offer(tools)
        changes = self._changes(agent, tools)
        if not is_first:
            await self._service.change(changes)
            return
        # There is no connection yet, which will be told with all other settings.
        for output in self._service.session.update(changes):
            if isinstance(output, Failure):
                raise SettingsError(output.field or "agent", output.message)

    def _changes(self, agent: Agent, tools: Sequence[FunctionTool]) -> dict[str, Any]:
        if self.capabilities.mutable_tools:
            return {"instructions": agent.instructions, "tools": [tool.wire for tool in tools]}
        # An override needs a permission there, and an agent without instructions wants none.
        return {"instructions": agent.instructions} if agent.instructions else {}

    async def perform(self, wish: Wish, worker: PipelineWorker) -> None:
        """Have the model say something.

        Raises:
            SettingsError: Its API has no message for that.
        """
        self._refuse_what_cannot_be_asked(wish)
        if wish.text is not None:
            frame = TTSSpeakFrame(wish.text, append_to_context=wish.add_to_chat_ctx)
            await worker.queue_frame(frame)
            return
        service, session = self._service, self._service.session
        if wish.user_input is not None:
            await service.perform(session.add_message("user", wish.user_input))
        outputs = session.create_response(
            instructions=self._with_instructions(wish.instructions), tool_choice=wish.tool_choice
        )
        await service.perform(outputs)
        self.settle(bot_is_silent=False, interrupted=False)

    def _refuse_what_cannot_be_asked(self, wish: Wish) -> None:
        if wish.text is not None and not self.capabilities.supports_say:
            raise SettingsError("say", _NOT_SAID)
        if self.capabilities.manual_responses or wish.text is not None:
            return
        if wish.user_input is None:
            raise SettingsError("user_input", f"is missing: {_NOT_ASKED}")
        for name in ("instructions", "tool_choice"):
            if getattr(wish, name) is not None:
                raise SettingsError(name, f"cannot be given for one answer: {_NOT_ASKED}")

    async def commit_user_turn(self, worker: PipelineWorker) -> None:
        """Commit the sound so far and ask for an answer.

        Raises:
            SettingsError: The server decides turns, whatever is asked of it.
        """
        del worker
        self._check_turns_are_ours()
        service, session = self._service, self._service.session
        await service.perform(session.commit())
        await service.perform(session.create_response())

    async def clear_user_turn(self) -> None:
        """Throw the sound so far away.

        Raises:
            SettingsError: The server decides turns, whatever is asked of it.
        """
        self._check_turns_are_ours()
        await self._service.perform(self._service.session.clear_audio())

    def _check_turns_are_ours(self) -> None:
        if not self.capabilities.manual_turns:
            raise SettingsError("turn_detection", "is the server's: it alone decides when turns end")

    def settle(self, *, bot_is_silent: bool, interrupted: bool) -> None:
        """Take over from the conversation what is over: of what the bot said, what was heard of it."""
        session = self._service.session
        # What is seen of frames may be a little behind what the session knows, except that it was cut.
        bot_is_silent = bot_is_silent and (interrupted or not session.is_responding)
        entries = session.history.entries()
        names = {entry.call_id: entry.name for entry in entries if isinstance(entry, Called)}
        for place, entry in enumerate(entries):
            of_bot = isinstance(entry, Said) and entry.role == "assistant"
            if self._chronicle.context.has(_key(entry)) or (of_bot and not bot_is_silent):
                continue
            item = self._item(entry, names, interrupted=interrupted and entry is _last_of_bot(entries))
            following = [_key(later) for later in entries[place + 1 :]]
            self._chronicle.add(item, before=following)

    def executed(self, outcomes: Sequence[Outcome]) -> None:
        """Remember which failed; the conversation tells of calls itself, but not of that."""
        self._failed |= {outcome.call.call_id for outcome in outcomes if outcome.output.is_error}

    def _with_instructions(self, instructions: str | None) -> str | None:
        if instructions is None or self._agent is None or not self._agent.instructions:
            return instructions
        # A response's own instructions stand in place of the session's.
        return f"{self._agent.instructions}\n\n{instructions}"

    def _item(self, entry: Entry, names: dict[str, str], *, interrupted: bool) -> ChatItem:
        if isinstance(entry, Called):
            return FunctionCall(call_id=entry.call_id, name=entry.name, arguments=entry.arguments)
        if isinstance(entry, Answered):
            name = names.get(entry.call_id, "")
            failed = entry.call_id in self._failed
            return FunctionCallOutput(call_id=entry.call_id, name=name, output=entry.output, is_error=failed)
        told = self._transcript or entry.role != "assistant"
        return ChatMessage(
            id=entry.item_id,
            role=entry.role,
            content=[entry.text.strip()] if told else [],
            interrupted=interrupted,
        )


def _key(entry: Entry) -> str:
    if isinstance(entry, Said):
        return entry.item_id
    return f"call {entry.call_id}" if isinstance(entry, Called) else f"answer {entry.call_id}"


def _last_of_bot(entries: Sequence[Entry]) -> Entry | None:
    said = (entry for entry in reversed(entries) if isinstance(entry, Said) and entry.role == "assistant")
    return next(said, None)
