"""From frames to session calls: one method for each, and the table that says which."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.types import is_given

from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import AudioFormatError, SettingsError
from voicepipe.frames import (
    CodedInputAudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputImageRawFrame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    SpeechControlParamsFrame,
    TTSSpeakFrame,
    UserImageRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.context import (
    ContextMessage,
    message_of,
    tool_choice_in_wire_shape,
    tools_in_wire_shape,
)
from voicepipe.realtime.context_sync import ContextSync, put_in_order
from voicepipe.realtime.images import as_data_uri
from voicepipe.realtime.keypad import Keypad, typed
from voicepipe.realtime.session import Detail
from voicepipe.realtime.translation import has_assistant_aggregator
from voicepipe.rests import Rest

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService

_IMAGE_EVERY_SECS: Final = 1.0
_ONSET_MS: Final = 500
"""How much sound belongs to a turn before it was found, if no voice activity detector says how long that takes."""
_ONSET_MARGIN_MS: Final = 300
_KEY_PAUSE_SECS: Final = 1.5
_SAY: Final = "Say exactly the following words and nothing else: {}"


class Inputs:
    """Acts for a service on the frames that reach it.

    Args:
        service: The service.
        start_audio_paused: Whether the user's sound is held off at first.
        start_video_paused: Whether the user's images are.
        video_frame_detail: How closely the model looks at images.
        onset_ms: How much sound belongs to a turn before it was found, where the client decides turns. None takes it
            from the voice activity detector in the pipeline.
    """

    def __init__(
        self,
        service: RealtimeService,
        *,
        start_audio_paused: bool,
        start_video_paused: bool,
        video_frame_detail: Detail,
        onset_ms: int | None,
    ) -> None:
        self.audio_paused = start_audio_paused
        self.video_paused = start_video_paused
        self.detail: Detail = video_frame_detail
        self.sync = ContextSync()
        self._service = service
        self._onset_is_given = onset_ms is not None
        self._onset_ms = _ONSET_MS if onset_ms is None else onset_ms
        self._resampler: StreamResampler | None = None
        self._refused: set[str] = set()
        self._run_is_owed = False
        self._image_secs = float("-inf")
        self._keypad = Keypad()
        self._pausing: asyncio.Task[None] | None = None

    async def act_on(self, frame: Frame, direction: FrameDirection) -> bool:
        """Do what a frame means to the session; returns whether it goes on to the next processor."""
        act = self._ACTIONS.get(type(frame))
        return True if act is None else await act(self, frame, direction)

    def begin_context(self, context: LLMContext) -> list[ContextMessage]:
        """Return all that a context says, for a conversation that begins anew with it."""
        self.sync = ContextSync()
        return self.sync.news(context, self._service.session.history)

    def begin_anew(self) -> None:
        """Forget what was heard and told; what is held off stays so."""
        self.sync = ContextSync()
        self._resampler = None
        self._run_is_owed = False
        self._refused.clear()
        self._image_secs = float("-inf")
        self._keypad = Keypad()

    async def tell(self, message: ContextMessage) -> None:
        """Put a context's message into the conversation, the images first."""
        service, session = self._service, self._service.session
        for image in message.images:
            if image.startswith("data:"):
                await service.perform(session.add_image(image, detail=self.detail))
            else:
                await service.push_error("image_url: is a data URI; an image is not fetched from elsewhere")
        if message.text:
            await service.perform(session.add_message(message.role, message.text))

    async def close(self) -> None:
        """Leave nothing behind."""
        task, self._pausing = self._pausing, None
        if task is not None:
            await self._service.cancel_task(task)

    # Sound.

    def hear(self, frame: InputAudioRawFrame) -> Rest:
        """Take sound of the user's, at any rate."""
        if self.audio_paused:
            return None
        if frame.num_channels != 1:
            why = f"num_channels: the service takes mono, the input has {frame.num_channels} channels"
            return partial(self._refuse_sound, why)
        service = self._service
        looks_into_it = not service.turns.lets_all_through
        if not looks_into_it and isinstance(frame, CodedInputAudioRawFrame) and self._resampler is None:
            outputs = service.append_coded(frame.coding, frame.coded) if frame.coded else None
            if outputs is not None:
                return service.perform_now(outputs)
        try:
            pcm = self._at_session_rate(frame)
        except AudioFormatError as error:
            return partial(self._refuse_sound, str(error))
        if looks_into_it:
            return partial(self._judge, pcm)
        return service.perform_now(service.session.append_audio(pcm))

    def _at_session_rate(self, frame: InputAudioRawFrame) -> bytes:
        rate, resampler, sound = self._service.session.input_sample_rate, self._resampler, frame.audio
        if resampler is None and frame.sample_rate == rate and len(sound) % 2 == 0:
            return sound
        if resampler is None or (resampler.in_rate, resampler.out_rate) != (frame.sample_rate, rate):
            # Also between equal rates: it keeps half a sample until its other half comes.
            resampler = self._resampler = StreamResampler(frame.sample_rate, rate)
        return resampler.process(sound)

    async def _judge(self, pcm: bytes) -> None:
        """Send what of the sound may be sent now, and see what it means to the turn."""
        service = self._service
        for admitted in service.turns.admitted(pcm):
            await service.perform(service.session.append_audio(admitted))
            await service.turns.heard(admitted)

    async def _refuse_sound(self, why: str) -> None:
        # Said once: the next chunk, 20 ms later, has the same fault.
        if why not in self._refused:
            self._refused.add(why)
            await self._service.push_error(why)

    # Turns.

    async def _on_interruption(self, _frame: InterruptionFrame, _direction: FrameDirection) -> bool:
        if not self._service.session.server_decides_turns:
            await self._begin_turn()
        await self._service.turns.interrupted()
        return True

    async def _on_user_started(self, _frame: Frame, _direction: FrameDirection) -> bool:
        if not self._service.session.server_decides_turns:
            await self._begin_turn()
        return True

    async def _begin_turn(self) -> None:
        await self._service.perform(self._service.session.restart_turn(self._onset_ms))

    async def _on_user_stopped(self, _frame: Frame, _direction: FrameDirection) -> bool:
        service, session = self._service, self._service.session
        if not session.server_decides_turns:
            await service.measures.turn_ended()
            committed = session.commit()
            if committed:
                await service.perform([*committed, *session.create_response()])
        return True

    async def _on_speech_params(self, frame: SpeechControlParamsFrame, _direction: FrameDirection) -> bool:
        if frame.vad_params is not None and not self._onset_is_given:
            self._onset_ms = round(frame.vad_params.start_secs * 1000) + _ONSET_MARGIN_MS
        return True

    # Images.

    async def _on_image(self, frame: InputImageRawFrame, _direction: FrameDirection) -> bool:
        now = asyncio.get_running_loop().time()
        if not self.video_paused and now - self._image_secs >= _IMAGE_EVERY_SECS:
            self._image_secs = now
            await self._show(frame, "")
        return True

    async def _on_user_image(self, frame: UserImageRawFrame, _direction: FrameDirection) -> bool:
        if frame.request is None and frame.text is None:
            return await self._on_image(frame, _direction)
        if frame.append_to_context:
            self.sync.shown(frame.text or "")
        # Somebody asked for this one, so it counts for itself.
        await self._show(frame, frame.text or "")
        if frame.run_llm is not False:
            await self._service.perform(self._service.session.create_response())
        return True

    async def _show(self, frame: InputImageRawFrame, text: str) -> None:
        try:
            uri = await as_data_uri(frame)
        except SettingsError as error:
            await self._service.push_error(str(error))
            return
        await self._service.perform(self._service.session.add_image(uri, detail=self.detail, text=text))

    # Words.

    async def _on_append(self, frame: LLMMessagesAppendFrame, _direction: FrameDirection) -> bool:
        service, session = self._service, self._service.session
        self.sync.saw(frame.messages)
        for message in frame.messages:
            written = message_of(message)
            if written is not None:
                await self.tell(written)
        if frame.run_llm and has_assistant_aggregator(service.pipeline_worker.pipeline):
            # The wish comes back as a context, once nobody speaks.
            self._run_is_owed = True
        elif frame.run_llm:
            await service.perform(session.create_response())
        return True

    async def _on_run(self, _frame: LLMRunFrame, _direction: FrameDirection) -> bool:
        await self._service.perform(self._service.session.create_response())
        return False

    async def _on_speak(self, frame: TTSSpeakFrame, _direction: FrameDirection) -> bool:
        session = self._service.session
        if not session.speaks:
            return True
        instructions = _SAY.format(frame.text)
        await self._service.perform(session.create_response(instructions=instructions, tool_choice="none"))
        return False

    async def _on_key(self, frame: InputDTMFFrame, _direction: FrameDirection) -> bool:
        service = self._service
        if service.turns.bot_speaks and self._keypad.is_empty:
            await service.turns.interrupted()
            await service.interrupt_pipeline()
        await self.close()
        entry = self._keypad.press(frame.button.value)
        if entry is None:
            self._pausing = service.create_task(self._pause(), "wait for more keys")
        else:
            await self._enter(entry)
        return True

    async def _pause(self) -> None:
        await asyncio.sleep(_KEY_PAUSE_SECS)
        self._pausing = None
        entry = self._keypad.take()
        if entry is not None:
            await self._enter(entry)

    async def _enter(self, keys: str) -> None:
        session = self._service.session
        await self._service.perform(session.add_message("user", typed(keys)))
        await self._service.perform(session.create_response())

    # Tools and context.

    async def _on_set_tools(self, frame: LLMSetToolsFrame, _direction: FrameDirection) -> bool:
        given = cast("Any", frame.tools)
        # As in a context, no tools at all may also be said in this way.
        await self._service.set_tools(given if is_given(given) and given is not None else [])
        return True

    async def _on_tool_choice(self, frame: LLMSetToolChoiceFrame, _direction: FrameDirection) -> bool:
        choice = tool_choice_in_wire_shape(frame.tool_choice)
        await self._service.perform(self._service.session.update({"tool_choice": choice}))
        return True

    async def _on_turn_written(
        self, frame: LLMContextUserTurnFrame | LLMContextAssistantTurnFrame, _direction: FrameDirection
    ) -> bool:
        role = "user" if isinstance(frame, LLMContextUserTurnFrame) else "assistant"
        self.sync.turn_written(role, frame.text)
        return True

    async def _on_context(self, frame: LLMContextFrame, direction: FrameDirection) -> bool:
        service, session, context = self._service, self._service.session, frame.context
        service.context = context
        written = self.sync.last_user_turn()
        if written is not None:
            put_in_order(context, session.history, written)
        tools = self.sync.new_tools(context)
        if tools is not None and (offered := tools_in_wire_shape(tools)):
            await service.perform(session.update({"tools": offered}))
        choice = self.sync.new_tool_choice(context)
        if choice is not None:
            await service.perform(session.update({"tool_choice": tool_choice_in_wire_shape(choice)}))
        news = self.sync.news(context, session.history)
        for message in news:
            await self.tell(message)
        self.sync.forget_turns()
        if direction == FrameDirection.UPSTREAM:
            # It comes with every function's result, too, which the session has answered by itself.
            wanted, self._run_is_owed = self._run_is_owed or bool(news), False
        else:
            wanted = written is None
        if wanted:
            await service.perform(session.create_response())
        return True

    _ACTIONS: Mapping[type[Frame], Callable[[Any, Any, FrameDirection], Awaitable[bool]]] = {
        InterruptionFrame: _on_interruption,
        UserStartedSpeakingFrame: _on_user_started,
        UserStoppedSpeakingFrame: _on_user_stopped,
        SpeechControlParamsFrame: _on_speech_params,
        InputImageRawFrame: _on_image,
        UserImageRawFrame: _on_user_image,
        InputDTMFFrame: _on_key,
        LLMMessagesAppendFrame: _on_append,
        LLMRunFrame: _on_run,
        TTSSpeakFrame: _on_speak,
        LLMSetToolsFrame: _on_set_tools,
        LLMSetToolChoiceFrame: _on_tool_choice,
        LLMContextUserTurnFrame: _on_turn_written,
        LLMContextAssistantTurnFrame: _on_turn_written,
        LLMContextFrame: _on_context,
    }
