"""What happens in a call, under the names that Pipecat's evals have for it, noted while the frames go by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.loops import now_ms
from voicepipe.realtime.translation import wants_answer
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.sound import Sound

EVENTS: Final = (
    "user_started_speaking",
    "user_stopped_speaking",
    "vad_user_started_speaking",
    "vad_user_stopped_speaking",
    "user_transcription",
    "user_backchannel",
    "bot_started_speaking",
    "bot_stopped_speaking",
    "bot_interrupted",
    "llm_started",
    "llm_response",
    "response",
    "function_call",
    "function_call_stopped",
    "error",
    "call_ended",
)
"""All events there are."""
LINGER_MS: Final = 400.0
"""How long it must have been quiet after an answer."""


@dataclass(slots=True)
class Happened:
    """One thing that happened.

    Parameters:
        event: Its name, one of `EVENTS`.
        at_ms: When, in milliseconds on the event loop's clock.
        text: The words of it, where it has any.
        name: The function, where it is about one.
        args: What the function was called with; of one that stopped, `cancelled` and `result`.
        sound: What the caller heard of the bot, where words are still to be found in it.
    """

    event: str
    at_ms: float
    text: str = ""
    name: str = ""
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sound: Sound | None = None


class Ears(Protocol):
    """What hears the bot."""

    def heard_ms(self) -> float:
        """Return how long it has listened."""
        ...

    def heard(self, from_ms: float) -> Sound:
        """Return what it has heard from then to now."""
        ...


class Witness(FirstHopObserver):
    """Notes what happens, in order; who waits for something is woken by it."""

    def __init__(self) -> None:
        super().__init__()
        self.ears: Ears | None = None
        """Who hears the bot; until there is somebody, nothing was heard."""
        self.events: list[Happened] = []
        """All there was."""
        self.watch = AnswerWatch(LINGER_MS)
        """Tells when an answer is over."""
        self.end_reason = ""
        """What was given as the reason for the pipeline's end."""
        self._news = asyncio.Event()
        self._speech_from_ms: float | None = None
        self._response: list[str] | None = None
        self._calls: dict[str, str] = {}

    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether a frame means something here."""
        return frame_type in self._WRITERS

    def observed(self, frame: Frame, at_ms: float) -> None:  # noqa: ARG002
        """Note what a frame means, at the time of the event loop, which the caller goes by too."""
        self._WRITERS[type(frame)](self, frame)
        self.wake()

    async def changed_within(self, secs: float) -> bool:
        """Wait until something happens; False if nothing did for so long."""
        news = self._news
        try:
            async with asyncio.timeout(max(0.0, secs)):
                await news.wait()
        except TimeoutError:
            return False
        return True

    def wake(self) -> None:
        """Have all who wait look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def note(self, event: str, text: str = "", **more: Any) -> None:
        """Note something that no frame tells."""
        self.events.append(Happened(event, now_ms(), text, **more))
        self.wake()

    def _note_only(self, event: str) -> None:
        self.events.append(Happened(event, now_ms()))

    # The user.

    def _user_started(self, _frame: Frame) -> None:
        self.watch.user_started(now_ms())
        self._note_only("user_started_speaking")

    def _user_stopped(self, _frame: Frame) -> None:
        self.watch.user_stopped(now_ms())
        self._note_only("user_stopped_speaking")

    def _vad_started(self, _frame: Frame) -> None:
        self._note_only("vad_user_started_speaking")

    def _vad_stopped(self, _frame: Frame) -> None:
        self._note_only("vad_user_stopped_speaking")

    def _user_words(self, frame: TranscriptionFrame) -> None:
        self.note("user_transcription", frame.text.strip())

    def _backchannel(self, frame: UserBackchannelFrame) -> None:
        self.note("user_backchannel", frame.text.strip())

    # The bot.

    def _response_started(self, _frame: Frame) -> None:
        self.watch.response_started(now_ms())
        self._end_response()
        self._response = []
        self._note_only("llm_started")

    def _bot_words(self, frame: LLMTextFrame) -> None:
        if self._response is not None:
            self._response.append(frame.text)

    def _response_ended(self, _frame: Frame) -> None:
        self.watch.response_ended(now_ms())
        self._end_response()

    def _end_response(self) -> None:
        words, self._response = self._response, None
        if words:
            self.note("llm_response", "".join(words).strip())

    def _bot_started(self, _frame: Frame) -> None:
        self.watch.bot_started(now_ms())
        self._speech_from_ms = self.ears.heard_ms() if self.ears is not None else 0.0
        self._note_only("bot_started_speaking")

    def _bot_stopped(self, _frame: Frame) -> None:
        self.watch.bot_stopped(now_ms())
        self._end_speech("response")
        self._note_only("bot_stopped_speaking")

    def _interrupted(self, _frame: Frame) -> None:
        self._end_speech("bot_interrupted")

    def _end_speech(self, event: str) -> None:
        """Note the sound of a stretch of speech; after a barge-in that is what was heard until then."""
        from_ms, self._speech_from_ms = self._speech_from_ms, None
        if from_ms is not None and self.ears is not None:
            self.note(event, sound=self.ears.heard(from_ms))

    # Functions.

    def _called(self, frame: FunctionCallInProgressFrame) -> None:
        self.watch.call_started(frame.tool_call_id, now_ms())
        self._calls[frame.tool_call_id] = frame.function_name
        self.note("function_call", name=frame.function_name, args=frame.arguments or {})

    def _returned(self, frame: FunctionCallResultFrame) -> None:
        properties = frame.properties
        if properties is not None and not properties.is_final:
            return
        self.watch.call_ended(frame.tool_call_id, now_ms(), answered=wants_answer(frame))
        self._stopped(frame.tool_call_id, {"cancelled": False, "result": frame.result})

    def _given_up(self, frame: FunctionCallCancelFrame) -> None:
        self.watch.call_ended(frame.tool_call_id, now_ms(), answered=bool(frame.run_llm))
        self._stopped(frame.tool_call_id, {"cancelled": True})

    def _stopped(self, call_id: str, args: Mapping[str, Any]) -> None:
        name = self._calls.pop(call_id, None)
        if name is not None:
            self.note("function_call_stopped", name=name, args=args)

    def _ended(self, frame: EndFrame | CancelFrame) -> None:
        self.end_reason = self.end_reason or str(frame.reason or "")

    def _failed(self, frame: ErrorFrame) -> None:
        self.note("error", frame.error)

    _WRITERS: Mapping[type[Frame], Callable[[Any, Any], None]] = {
        UserStartedSpeakingFrame: _user_started,
        UserStoppedSpeakingFrame: _user_stopped,
        VADUserStartedSpeakingFrame: _vad_started,
        VADUserStoppedSpeakingFrame: _vad_stopped,
        TranscriptionFrame: _user_words,
        UserBackchannelFrame: _backchannel,
        LLMFullResponseStartFrame: _response_started,
        LLMFullResponseEndFrame: _response_ended,
        LLMTextFrame: _bot_words,
        BotStartedSpeakingFrame: _bot_started,
        BotStoppedSpeakingFrame: _bot_stopped,
        InterruptionFrame: _interrupted,
        FunctionCallInProgressFrame: _called,
        FunctionCallResultFrame: _returned,
        FunctionCallCancelFrame: _given_up,
        ErrorFrame: _failed,
        EndFrame: _ended,
        CancelFrame: _ended,
    }
