"""What ElevenLabs' API can do with a conversation beyond what all realtime services can, and how a conversation ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from loguru import logger
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import LLMSettings

from voicepipe.errors import SettingsError
from voicepipe.frames import EndWorkerFrame, FunctionCallResultFrame
from voicepipe.loops import now_ms
from voicepipe.realtime.connection import Closed
from voicepipe.realtime.events import Failure, SessionReady
from voicepipe.realtime.link import Reconnect
from voicepipe.realtime.service import RealtimeService
from voicepipe.rests import Rest, after
from voicepipe.services.elevenlabs.convai.errors import fate_of
from voicepipe.services.elevenlabs.convai.events import ConversationSettings
from voicepipe.services.elevenlabs.convai.session import ElevenLabsConvAISession

_NEVER_SECS = 10 * 365 * 24 * 3600.0
"""The API ends a conversation when its agent's longest duration is reached, and not before: nothing is renewed."""
_NO_INSTRUCTIONS = "needs a response with instructions, for which the API has no message"


class ElevenLabsConversation(RealtimeService):
    """The base of the service: everything but where to connect and how settings are written.

    Events, besides those of every `RealtimeService`:
        on_conversation_ended(service, reason): the agent ended the conversation, or its longest duration was reached.

    Args:
        conversation: What the conversation is begun with.
        restart_on_update: Whether a change of settings that the API cannot make is made by a new conversation that goes on
            where the old one stops.
        resume_answers: Whether an answer that a lost connection broke off is taken up again.
        end_pipeline: Whether the pipeline ends with the conversation.
    """

    session: ElevenLabsConvAISession

    def __init__(
        self,
        *,
        conversation: ConversationSettings,
        restart_on_update: bool = False,
        resume_answers: bool = True,
        end_pipeline: bool = True,
        **kwargs: Any,
    ) -> None:
        interruptions = kwargs.get("interruptions")
        if interruptions is not None and interruptions.are_judged:
            why = "the server stops by itself when the user speaks; only `allowed=False` can be had with this API"
            raise SettingsError("interruptions", why)
        if kwargs.get("tool_filler") is not None:
            raise SettingsError("tool_filler", _NO_INSTRUCTIONS)
        kwargs["reconnect"] = kwargs.get("reconnect") or Reconnect(renew_after_secs=_NEVER_SECS)
        session = ElevenLabsConvAISession(
            conversation,
            restart_on_update=restart_on_update,
            resumes_answers=resume_answers,
            is_playing=lambda: self.turns.is_playing,
        )
        super().__init__(session=session, **kwargs)
        self._end_pipeline = end_pipeline
        self._watch: asyncio.Task[None] | None = None
        self._heard_at_ms = 0.0
        self._signs = 0
        self._register_event_handler("on_conversation_ended")

    # What an application may call.

    async def send_contextual_update(self, text: str, *, context_id: str | None = None) -> None:
        """Tell the agent something that it is not to answer; it takes the place of what had the same `context_id`."""
        await self.perform(self.session.contextual_update(text, context_id))

    async def send_user_message(self, text: str) -> None:
        """Send a turn of the user's in writing; the agent answers, and stops speaking as for a spoken one."""
        outputs = self.session.add_message("user", text)
        await self.perform([*outputs, *self.session.create_response()])

    async def send_files(self, file_ids: Sequence[str], *, text: str = "") -> None:
        """Send a turn of the user's with files that were uploaded before, by their ids."""
        await self.perform(self.session.files(text, file_ids))

    async def send_user_activity(self) -> None:
        """Tell that the user does something (types, looks something up): the agent goes on waiting."""
        await self.perform(self.session.user_activity())

    async def send_feedback(self, event_id: int, score: Literal["like", "dislike"] | None) -> None:
        """Tell what the user thinks of a reply, by the `event_id` of its `agent_response`; None takes it back."""
        await self.perform(self.session.feedback(event_id, score))

    async def approve_mcp(self, request_id: str, *, approve: bool) -> None:
        """Answer the server's question whether it may call a tool that it runs itself (`on_mcp_approval`)."""
        await self.perform(self.session.approve(request_id, approve=approve))

    # How a conversation ends.

    async def link_down(self, closed: Closed) -> None:
        """The connection is gone: the conversation is over, cannot go on, or goes on over another connection."""
        if closed == Closed(1000, "renewed"):
            await super().link_down(closed)
            return
        fate, failure = fate_of(closed.code, closed.reason)
        if failure is not None:
            failure = self.session.refused(failure)
            fate = "refused" if failure is not None and failure.fatal else "lost"
        if fate == "lost":
            await super().link_down(closed)
            await self.perform([failure] if failure is not None else [])
            return
        if fate == "over":
            # What was said last is whole, also where its end was not marked.
            await self.perform(self.session.reply_ended())
        await self.perform(self.session.closed())
        await self.end_connection()
        if failure is not None:
            await self.perform([failure])
            return
        logger.info(f"{self}: the conversation is over: {closed.reason or 'no reason given'}")
        await self.announce("on_conversation_ended", closed.reason)
        if self._end_pipeline:
            await self.push_frame(EndWorkerFrame(reason=closed.reason), FrameDirection.UPSTREAM)

    # The end of a reply that nobody marks.

    def link_message(self, message: bytes) -> Rest:
        """Take a message of the server's."""
        return after(super().link_message(message), self._watch_again)

    def _watch_again(self) -> None:
        if self._signs != self.session.reply_signs:
            self._signs, self._heard_at_ms = self.session.reply_signs, now_ms()
        if self._watch is None and self.session.ends_after_ms is not None:
            self._watch = self.create_task(self._watch_reply(), "watch for the end of a reply")

    async def _watch_reply(self) -> None:
        while (patience_ms := self.session.ends_after_ms) is not None:
            left_ms = self._heard_at_ms + patience_ms - now_ms()
            if left_ms <= 0:
                await self.perform(self.session.reply_ended())
            else:
                await asyncio.sleep(left_ms / 1000)
        self._watch = None

    async def _leave(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            await self.cancel_task(watch)
        await super()._leave()

    # Functions and settings.

    async def _tell_result(self, frame: FunctionCallResultFrame) -> None:
        if frame.error or not self.has_function(frame.function_name):
            self.session.call_failed(frame.tool_call_id)
        await super()._tell_result(frame)

    async def _update_settings(self, delta: LLMSettings) -> dict[str, Any]:
        """Make a change of settings as a whole or not at all."""
        try:
            return await super()._update_settings(delta)
        except SettingsError as error:
            await self.perform([Failure("settings", str(error), field=error.field)])
            return {}

    async def change(self, changes: Mapping[str, Any]) -> None:
        """Change settings; what needs a new conversation has it in a quiet moment."""
        await super().change(changes)
        await self._restart_if_needed()

    async def session_ready(self, ready: SessionReady) -> None:
        """The conversation has begun; it may lack what was changed while it began."""
        await super().session_ready(ready)
        await self._restart_if_needed()

    async def _restart_if_needed(self) -> None:
        if self.session.needs_restart:
            self._link.is_due = True
            await self.link_due()
