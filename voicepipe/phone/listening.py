"""The two processors that hear along in a call: what the caller says and presses, and what the bot says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from pipecat.metrics.metrics import MetricsData
from pipecat.processors.frame_processor import FrameDirection

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    MetricsFrame,
    PlaybackMarkFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from voicepipe.hops import SOUND, USERS_SOUND, SoundHops, sound_goes_around
from voicepipe.phone.floor import Floor
from voicepipe.phone.guardrails import Guardrail, Speaker
from voicepipe.rests import Rest, done


class Listener(Protocol):
    """Who is told what was heard."""

    def said(self, speaker: Speaker, text: str, *, is_interrupted: bool = False) -> None:
        """Somebody said something."""
        ...

    def pressed(self, key: str) -> None:
        """The caller pressed a key."""
        ...

    def blocked(self, guardrail: str, speaker: Speaker) -> None:
        """A guardrail blocked somebody's words."""
        ...

    def used(self, frame: FunctionCallResultFrame) -> None:
        """A function gave its result."""
        ...

    def measured(self, metrics: MetricsData) -> None:
        """A service reported usage or a latency."""
        ...

    def erred(self, message: str) -> None:
        """Something went wrong."""
        ...


OnBlocked = Callable[[Guardrail], Awaitable[None]]


class CallersWords(SoundHops):
    """Stands before the engine: the words of the caller pass here, up from a realtime service or down from speech to text.

    Args:
        listener: Who is told.
        guardrails: Those on the caller's words.
        on_blocked: Awaited with the guardrail that blocked something.
        asks_for_answers: Whether the engine waits for a word of ours to answer.
    """

    passed_by = SOUND

    def __init__(
        self,
        listener: Listener,
        guardrails: Sequence[Guardrail],
        on_blocked: OnBlocked,
        *,
        asks_for_answers: bool,
    ) -> None:
        super().__init__(enable_direct_mode=True)
        self._listener = listener
        self._guardrails = guardrails
        self._on_blocked = on_blocked
        self._asks_for_answers = asks_for_answers

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all on, but for words that are blocked."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self._listener.said("user", frame.text)
            blocked = await _blocking(self._guardrails, frame.text)
            if blocked is not None:
                self._listener.blocked(blocked.name, "user")
                await self._on_blocked(blocked)
                return
            await self.push_frame(frame, direction)
            if self._asks_for_answers:
                await self.push_frame(LLMRunFrame())
            return
        if isinstance(frame, InputDTMFFrame):
            self._listener.pressed(frame.button.value)
        await self.push_frame(frame, direction)


class BotsWords(SoundHops):
    """Stands after the engine: what the bot says passes here before the caller hears it.

    Args:
        listener: Who is told.
        floor: Told of answers, and of when the bot is heard.
        guardrails: Those on the bot's words.
        on_blocked: Awaited with the guardrail that blocked something.
    """

    passed_by = USERS_SOUND | {PlaybackMarkFrame}

    def __init__(
        self, listener: Listener, floor: Floor, guardrails: Sequence[Guardrail], on_blocked: OnBlocked
    ) -> None:
        super().__init__(enable_direct_mode=True)
        self._listener = listener
        self._floor = floor
        self._guardrails = guardrails
        self._on_blocked = on_blocked
        self._words = ""
        self._is_blocked = False
        self._is_in_response = False

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Pass sound on, but for that of an answer that is blocked."""
        is_blocked = self._is_blocked and isinstance(frame, TTSAudioRawFrame)
        return None if is_blocked else self.hop.push(frame, direction)

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass all on, but for what is left of an answer that is blocked."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            await done(self.process_sound(frame, direction))
            return
        if isinstance(frame, LLMTextFrame) and self._is_blocked:
            return
        if isinstance(frame, TTSTextFrame):
            if await self._is_to_be_dropped(frame):
                return
        elif direction == FrameDirection.DOWNSTREAM:
            self._note(frame)
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self._floor.bot_speaks(isinstance(frame, BotStartedSpeakingFrame))
        await self.push_frame(frame, direction)

    async def _is_to_be_dropped(self, frame: TTSTextFrame) -> bool:
        if self._is_blocked:
            return True
        space = "" if frame.includes_inter_frame_spaces or not self._words else " "
        self._words += space + frame.text
        if self._is_a_replacement():
            return False
        blocked = await _blocking(self._guardrails, self._words)
        if blocked is None:
            return False
        self._is_blocked, self._words = True, ""
        self._listener.blocked(blocked.name, "bot")
        await self._on_blocked(blocked)
        return True

    def _is_a_replacement(self) -> bool:
        """What is said instead may well have a word in it that is blocked."""
        words = self._words.strip()
        return any(one.replacement.startswith(words) for one in self._guardrails)

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, InterruptionFrame):
            self._is_in_response = False
            self._words_end(is_interrupted=True)
            self._floor.answers_are_cut()
        elif isinstance(frame, LLMFullResponseStartFrame | LLMFullResponseEndFrame):
            self._is_in_response = isinstance(frame, LLMFullResponseStartFrame)
            self._answer(begins=self._is_in_response)
        elif isinstance(frame, TTSStartedFrame | TTSStoppedFrame):
            # What text to speech is given to say is no response of a model's.
            if not self._is_in_response:
                self._answer(begins=isinstance(frame, TTSStartedFrame))
        elif isinstance(frame, FunctionCallResultFrame):
            self._listener.used(frame)
        elif isinstance(frame, MetricsFrame):
            for metrics in frame.data:
                self._listener.measured(metrics)

    def _answer(self, *, begins: bool) -> None:
        if begins:
            self._is_blocked = False
            self._floor.answer_begins()
        else:
            self._words_end(is_interrupted=False)
            self._floor.answer_ends()

    def _words_end(self, *, is_interrupted: bool) -> None:
        words, self._words = self._words.strip(), ""
        if words:
            self._listener.said("bot", words, is_interrupted=is_interrupted)


async def _blocking(guardrails: Sequence[Guardrail], text: str) -> Guardrail | None:
    for guardrail in guardrails:
        if await guardrail.blocks(text):
            return guardrail
    return None
