"""From the frames of a session's pipeline to what it says of itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from pipecat.observers.base_observer import FramePushed

from voicepipe.agents.activity import Activity
from voicepipe.agents.events import ErrorEvent, ModelError, UserInputTranscribedEvent
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.events import UserTranscript
from voicepipe.realtime.translation import wants_answer
from voicepipe.shortcuts import SelectiveObserver

_REMEMBERED: Final = 256


class Listener(Protocol):
    """Who is told of what an observer finds."""

    def answers_turns(self) -> bool:
        """Whether the user's turns are answered without anybody asking."""
        ...

    def moved(self) -> None:
        """The activity has changed, or may have."""
        ...

    def bot_was_cut(self) -> None:
        """An interruption reached the pipeline."""
        ...

    def words_came(self, event: UserInputTranscribedEvent) -> None:
        """The user said something."""
        ...

    def measured(self, frame: MetricsFrame) -> None:
        """Something was measured."""
        ...

    def erred(self, event: ErrorEvent) -> None:
        """Something went wrong."""
        ...


class SessionObserver(SelectiveObserver):
    """Sees every frame once, keeps an activity and tells a listener.

    Args:
        activity: Is told who does what.
        listener: Is told of all else, and of changes.
    """

    def __init__(self, activity: Activity, listener: Listener) -> None:
        super().__init__(observe_every_push=False)
        self._activity = activity
        self._listener = listener
        self._siblings: deque[int] = deque(maxlen=_REMEMBERED)

    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether a frame is about the session."""
        return frame_type in self._ACTIONS

    async def on_push_frame(self, data: FramePushed) -> None:
        """Take note of a frame at its first hop; of a broadcast one, of the copy that goes first."""
        act = self._ACTIONS.get(type(data.frame))
        if act is None or not data.first_push or data.frame.id in self._siblings:
            return
        if data.frame.broadcast_sibling_id is not None:
            self._siblings.append(data.frame.broadcast_sibling_id)
        act(self, data.frame)
        self._listener.moved()

    def _user_started(self, _frame: Frame) -> None:
        self._activity.user_started()

    def _user_stopped(self, _frame: Frame) -> None:
        self._activity.user_stopped(answered=self._listener.answers_turns())

    def _words(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> None:
        told = frame.result
        event = UserInputTranscribedEvent(
            transcript=frame.text,
            is_final=isinstance(frame, TranscriptionFrame),
            item_id=told.item_id if isinstance(told, UserTranscript) else "",
            speaker_id=frame.user_id or None,
            language=str(frame.language) if frame.language is not None else None,
        )
        self._listener.words_came(event)

    def _response_started(self, _frame: Frame) -> None:
        self._activity.response_started()

    def _response_words(self, frame: LLMTextFrame) -> None:
        if frame.text.strip():
            self._activity.words()

    def _response_ended(self, _frame: Frame) -> None:
        self._activity.response_ended()

    def _sound(self, _frame: Frame) -> None:
        self._activity.sound_came()

    def _heard(self, _frame: Frame) -> None:
        self._activity.heard()

    def _silent(self, _frame: Frame) -> None:
        self._activity.fell_silent()

    def _interrupted(self, _frame: Frame) -> None:
        self._listener.bot_was_cut()
        self._activity.interrupted()

    def _called(self, frame: FunctionCallsStartedFrame) -> None:
        for call in frame.function_calls:
            self._activity.call_started(call.tool_call_id)

    def _returned(self, frame: FunctionCallResultFrame) -> None:
        if frame.properties is None or frame.properties.is_final:
            self._activity.call_ended(frame.tool_call_id, answered=wants_answer(frame))

    def _cancelled(self, frame: FunctionCallCancelFrame) -> None:
        self._activity.call_ended(frame.tool_call_id, answered=bool(frame.run_llm))

    def _measured(self, frame: MetricsFrame) -> None:
        self._listener.measured(frame)

    def _failed(self, frame: ErrorFrame) -> None:
        processor = frame.processor
        error = ModelError(
            label=processor.name if processor is not None else "",
            message=frame.error,
            recoverable=processor is None or processor.is_usable,
            error=frame.exception,
        )
        self._listener.erred(ErrorEvent(error=error, source=processor))

    _ACTIONS: Mapping[type[Frame], Callable[[Any, Any], None]] = {
        UserStartedSpeakingFrame: _user_started,
        UserStoppedSpeakingFrame: _user_stopped,
        TranscriptionFrame: _words,
        InterimTranscriptionFrame: _words,
        LLMFullResponseStartFrame: _response_started,
        LLMTextFrame: _response_words,
        LLMFullResponseEndFrame: _response_ended,
        TTSStartedFrame: _sound,
        BotStartedSpeakingFrame: _heard,
        BotStoppedSpeakingFrame: _silent,
        InterruptionFrame: _interrupted,
        FunctionCallsStartedFrame: _called,
        FunctionCallResultFrame: _returned,
        FunctionCallCancelFrame: _cancelled,
        MetricsFrame: _measured,
        ErrorFrame: _failed,
    }
