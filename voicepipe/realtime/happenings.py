"""From a session's happenings to frames: one method for each, and the table that says which.

The order in which frames go out for a happening is the same for every provider, since it is made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from loguru import logger
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transcriptions.language import Language
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.time import time_now_iso8601

from voicepipe.frames import (
    Frame,
    InterimTranscriptionFrame,
    LLMTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.brackets import Brackets
from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Failure,
    Happening,
    ItemCreated,
    ItemRetrieved,
    ItemUpdated,
    RateLimits,
    ResponseFinished,
    ResponseStarted,
    SessionReady,
    SettingsApplied,
    ToolCall,
    TranscriptionUsage,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.realtime.translation import category_of, token_usage

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService


class Happenings:
    """Acts for a service on what its session tells."""

    def __init__(self, service: RealtimeService) -> None:
        self._service = service
        self._brackets = Brackets()

    async def act_on(self, happening: Happening) -> None:
        """Push the frames that a happening means."""
        await self._ACTIONS[type(happening)](self, happening)

    async def close_brackets(self) -> None:
        """Close what is open of a response that ends before its time."""
        await self._push(self._brackets.end())

    async def _push(self, frames: list[Frame]) -> None:
        for frame in frames:
            await self._service.push_frame(frame)

    # The user.

    async def _user_started(self, happening: UserSpeechStarted) -> None:
        service = self._service
        if service.aggregator_decides:
            await service.broadcast_frame(ProposedUserStartedSpeakingFrame)
            return
        if happening.cancels_response:
            # First, so that the position is that of this moment and not of when all frames are out.
            await service.cut_response()
        await service.broadcast_frame(UserStartedSpeakingFrame)
        if happening.cancels_response:
            await service.interrupt_pipeline()
            await self.close_brackets()

    async def _user_stopped(self, _happening: UserSpeechStopped) -> None:
        service = self._service
        await service.start_ttfb_metrics()
        await service.start_processing_metrics()
        decided, proposed = UserStoppedSpeakingFrame, ProposedUserStoppedSpeakingFrame
        await service.broadcast_frame(proposed if service.aggregator_decides else decided)

    async def _user_transcript(self, happening: UserTranscript) -> None:
        language = Language(happening.language) if happening.language in set(Language) else None
        now = time_now_iso8601()
        frame: Frame = (
            TranscriptionFrame(happening.text, "", now, language, finalized=True)
            if happening.final
            else InterimTranscriptionFrame(happening.text, "", now, language)
        )
        await self._service.push_frame(frame, FrameDirection.UPSTREAM)

    # The bot.

    async def _response_started(self, happening: ResponseStarted) -> None:
        await self._push(self._brackets.begin(happening.response_id))

    async def _audio(self, happening: AudioChunk) -> None:
        service = self._service
        opening = self._brackets.sound()
        if opening:
            await service.stop_ttfb_metrics()
            await self._push(opening)
        service.spoke(happening)
        await service.push_frame(
            TTSAudioRawFrame(
                audio=happening.pcm,
                sample_rate=service.output_sample_rate,
                num_channels=1,
                context_id=happening.response_id,
            )
        )

    async def _bot_words(self, happening: BotTranscript) -> None:
        words = LLMTextFrame(happening.text)
        words.includes_inter_frame_spaces = True
        # Spoken words reach the context as TTSTextFrame; for Pipecat's RTVI both are pushed.
        words.append_to_context = not happening.spoken
        await self._service.push_frame(words)
        if happening.spoken:
            spoken = TTSTextFrame(
                happening.text, text_type=TextType.SENTENCE, context_id=happening.response_id
            )
            spoken.includes_inter_frame_spaces = True
            await self._service.push_frame(spoken)

    async def _response_finished(self, happening: ResponseFinished) -> None:
        service = self._service
        await service.stop_processing_metrics()
        if happening.usage is not None:
            await service.start_llm_usage_metrics(token_usage(happening.usage))
        if happening.status in ("failed", "incomplete"):
            logger.warning(f"{service}: a response ended as {happening.status}: {happening.reason}")
        await self._push(self._brackets.end(happening.response_id))

    async def _tool_call(self, happening: ToolCall) -> None:
        service = self._service
        if happening.arguments is None:
            await service.answer_call(happening.call_id, {"error": happening.problem})
            return
        context = service.context or LLMContext()
        call = FunctionCallFromLLM(happening.name, happening.call_id, happening.arguments, context)
        await service.run_function_calls([call])

    # The conversation.

    async def _item_created(self, happening: ItemCreated) -> None:
        await self._service.announce_item("on_conversation_item_created", happening.item_id, happening.item)

    async def _item_updated(self, happening: ItemUpdated) -> None:
        await self._service.announce_item("on_conversation_item_updated", happening.item_id, happening.item)

    async def _item_retrieved(self, happening: ItemRetrieved) -> None:
        self._service.retrieved(happening)

    # The session.

    async def _ready(self, happening: SessionReady) -> None:
        logger.debug(f"{self._service}: session {happening.session_id} is ready")

    async def _failure(self, happening: Failure) -> None:
        service = self._service
        named = f"{happening.code}: {happening.message}" if happening.code else happening.message
        category = category_of(happening.kind, fatal=happening.fatal)
        if happening.fatal:
            await self.close_brackets()
        await service.push_error(named, category=category, force_treat_as_permanent=happening.fatal)

    async def _nothing(self, _happening: Happening) -> None:
        return

    _ACTIONS: Mapping[type[Happening], Callable[[Any, Any], Awaitable[None]]] = {
        AudioChunk: _audio,
        BotTranscript: _bot_words,
        UserSpeechStarted: _user_started,
        UserSpeechStopped: _user_stopped,
        UserTranscript: _user_transcript,
        ResponseStarted: _response_started,
        ResponseFinished: _response_finished,
        ToolCall: _tool_call,
        ItemCreated: _item_created,
        ItemUpdated: _item_updated,
        ItemRetrieved: _item_retrieved,
        SessionReady: _ready,
        Failure: _failure,
        SettingsApplied: _nothing,
        TranscriptionUsage: _nothing,
        RateLimits: _nothing,
    }
