"""From a session's happenings to frames: one method for each, and the table that says which.

The order in which frames go out for a happening is the same for every provider, since it is made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from loguru import logger
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.transcriptions.language import Language
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.time import time_now_iso8601

from voicepipe.frames import (
    CodedTTSAudioRawFrame,
    Frame,
    InterimTranscriptionFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from voicepipe.plain_words import one_line
from voicepipe.realtime.brackets import Brackets
from voicepipe.realtime.events import (
    ApprovalWanted,
    AudioChunk,
    BotTranscript,
    Failure,
    Happening,
    ItemCreated,
    ItemRetrieved,
    ItemUpdated,
    Oddity,
    RateLimits,
    ResponseFinished,
    ResponseStarted,
    ServerEvent,
    ServerTool,
    SessionReady,
    SettingsApplied,
    SideResponse,
    ToolCall,
    TranscriptionUsage,
    UserSilent,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.realtime.translation import category_of
from voicepipe.realtime.usage import token_usage, transcription_metrics
from voicepipe.rests import Rest, after, done

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService


class Happenings:
    """Acts for a service on what its session tells."""

    def __init__(self, service: RealtimeService) -> None:
        self._service = service
        self._brackets = Brackets()
        self._last_response_id: str | None = None
        self._is_over = False

    def act_on(self, happening: Happening) -> Rest:
        """Push the frames that a happening means."""
        if self._is_over or self._service.turns.holds(happening):
            return None
        if isinstance(happening, AudioChunk):
            return self._audio(happening)
        return partial(self._ACTIONS[type(happening)], self, happening)

    @property
    def response_id(self) -> str | None:
        """The response whose brackets are open, or which ended last and may still be heard."""
        return self._last_response_id

    async def go_on(self, response_id: str, held: list[Happening]) -> None:
        """Take a response up again that was stopped, with what was held of it."""
        await self._push(self._brackets.begin(self._service.turns.context_of(response_id)))
        for happening in held:
            await done(self.act_on(happening))

    async def close_brackets(self) -> None:
        """Close what is open of a response that ends before its time."""
        await self._push(self._brackets.end())

    async def end(self) -> None:
        """Close what is open, for good: what the server still says until the connection is closed opens nothing."""
        self._is_over = True
        await self.close_brackets()

    async def _push(self, frames: list[Frame]) -> None:
        for frame in frames:
            await self._service.push_frame(frame)

    # The user.

    async def _user_started(self, happening: UserSpeechStarted) -> None:
        await self._service.turns.user_started(happening)

    async def _user_stopped(self, happening: UserSpeechStopped) -> None:
        await self._service.turns.user_stopped(happening)

    async def _user_transcript(self, happening: UserTranscript) -> None:
        if not await self._service.turns.user_words(happening):
            return
        language = Language(happening.language) if happening.language in set(Language) else None
        now = time_now_iso8601()
        frame = (
            TranscriptionFrame(happening.text, "", now, language, happening, finalized=True)
            if happening.final
            else InterimTranscriptionFrame(happening.text, "", now, language, happening)
        )
        await self._service.push_transcription(frame)

    async def _user_silent(self, happening: UserSilent) -> None:
        await self._service.announce("on_idle_timeout", happening.item_id)

    # The bot.

    async def _response_started(self, happening: ResponseStarted) -> None:
        self._last_response_id = happening.response_id
        await self._push(self._brackets.begin(self._service.turns.context_of(happening.response_id)))

    def _audio(self, happening: AudioChunk) -> Rest:
        opening = self._brackets.sound()
        if opening:
            return after(partial(self._open_sound, opening), lambda: self._speak(happening))
        return self._speak(happening)

    async def _open_sound(self, opening: list[Frame]) -> None:
        await self._service.measures.first_sound()
        await self._push(opening)

    def _speak(self, happening: AudioChunk) -> Rest:
        service = self._service
        service.turns.spoke(happening)
        context_id = service.turns.context_of(happening.response_id)
        return service.hop.push(_sound(happening, service.session.output_sample_rate, context_id))

    async def _bot_words(self, happening: BotTranscript) -> None:
        if not happening.spoken:
            await self._service.stop_ttfb_metrics()
        words = LLMTextFrame(happening.text)
        words.includes_inter_frame_spaces = True
        # Spoken words reach the context as TTSTextFrame; for Pipecat's RTVI both are pushed.
        words.append_to_context = not happening.spoken
        await self._service.push_frame(words)
        if happening.spoken:
            context_id = self._service.turns.context_of(happening.response_id)
            spoken = TTSTextFrame(happening.text, text_type=TextType.SENTENCE, context_id=context_id)
            spoken.includes_inter_frame_spaces = True
            await self._service.push_frame(spoken)

    async def _response_finished(self, happening: ResponseFinished) -> None:
        service = self._service
        await service.stop_processing_metrics()
        if happening.usage is not None:
            await service.start_llm_usage_metrics(token_usage(happening.usage))
        if happening.status in ("failed", "incomplete"):
            logger.warning(f"{service}: a response ended as {happening.status}: {one_line(happening.reason)}")
        await self._push(self._brackets.end(service.turns.context_of(happening.response_id)))

    async def _side_response(self, happening: SideResponse) -> None:
        if happening.usage is not None:
            await self._service.start_llm_usage_metrics(token_usage(happening.usage))
        self._service.questions.side_response_ended(happening)

    async def _server_tool(self, happening: ServerTool) -> None:
        await self._service.announce("on_mcp", happening.stage, happening.item_id, happening.item)

    async def _approval_wanted(self, happening: ApprovalWanted) -> None:
        await self._service.announce("on_mcp_approval", happening)

    async def _tool_call(self, happening: ToolCall) -> None:
        service = self._service
        if happening.arguments is None:
            await service.functions.answer(happening.call_id, {"error": happening.problem})
            return
        context = service.context or LLMContext()
        call = FunctionCallFromLLM(happening.name, happening.call_id, happening.arguments, context)
        service.functions.started(happening.call_id, happening.name)
        await service.run_function_calls([call])

    # The conversation.

    async def _item_created(self, happening: ItemCreated) -> None:
        await self._service.announce("on_conversation_item_created", happening.item_id, happening.item)

    async def _item_updated(self, happening: ItemUpdated) -> None:
        await self._service.announce("on_conversation_item_updated", happening.item_id, happening.item)

    async def _item_retrieved(self, happening: ItemRetrieved) -> None:
        self._service.questions.retrieved(happening)

    # The session.

    async def _ready(self, happening: SessionReady) -> None:
        logger.debug(f"{self._service}: session {one_line(happening.session_id)} is ready")
        await self._service.session_ready(happening)

    async def _settings_applied(self, happening: SettingsApplied) -> None:
        await self._service.announce("on_settings_applied", happening.settings)

    async def _transcription_usage(self, happening: TranscriptionUsage) -> None:
        await self._service.measures.report(transcription_metrics(self._service.name, happening))

    async def _rate_limits(self, happening: RateLimits) -> None:
        await self._service.announce("on_rate_limits", happening.limits)

    async def _server_event(self, happening: ServerEvent) -> None:
        await self._service.announce("on_server_event", happening.name, happening.payload)

    async def _oddity(self, happening: Oddity) -> None:
        logger.warning(f"{self._service}: passed over, now and from here on: {one_line(happening.what)}")

    async def _failure(self, happening: Failure) -> None:
        service, named = self._service, happening.message
        if happening.field not in named:
            named = f"{happening.field}: {named}"
        if happening.code:
            named = f"{happening.code}: {named}"
        if happening.kind == "settings":
            service.settings_refused()
        category = category_of(happening.kind, fatal=happening.fatal)
        if happening.fatal:
            await self.close_brackets()
            await service.end_connection()
        await service.push_error(one_line(named), category=category, force_treat_as_permanent=happening.fatal)

    _ACTIONS: Mapping[type[Happening], Callable[[Any, Any], Awaitable[None]]] = {
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
        SideResponse: _side_response,
        ServerTool: _server_tool,
        ApprovalWanted: _approval_wanted,
        UserSilent: _user_silent,
        Failure: _failure,
        SettingsApplied: _settings_applied,
        TranscriptionUsage: _transcription_usage,
        RateLimits: _rate_limits,
        ServerEvent: _server_event,
        Oddity: _oddity,
    }


def _sound(chunk: AudioChunk, sample_rate: int, context_id: str) -> TTSAudioRawFrame:
    coding = chunk.coding
    if coding is None:
        return TTSAudioRawFrame(chunk.sound, sample_rate, 1, context_id=context_id)
    return CodedTTSAudioRawFrame(
        b"",
        sample_rate,
        1,
        context_id=context_id,
        coding=coding.name,
        coded=chunk.sound,
        decode=coding.decode,
    )
