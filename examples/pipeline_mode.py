"""Pipeline mode: speech to text, a language model and text to speech in a row; any of Pipecat's services fits in there."""

import asyncio
import os
from collections.abc import AsyncGenerator

import numpy as np
from pipecat.processors.aggregators import llm_response_universal as aggregators
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.turns import user_turn_strategies as strategies
from voicepipe import AudioResampler, Pipeline, WavFileTransport, frames, run
from voicepipe.local.brain import Conversation, Message
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.transports.sound import Sound

SPEECH = speech_engine(os.getenv("VOICEPIPE_SPEECH", "local"))


class LocalEars(FrameProcessor):  # DeepgramFluxSTTService takes this place.
    _activity, _sound, _turn, _quiet_ms = SPEECH.activity(), b"", b"", 0.0

    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._sound += frame.audio if isinstance(frame, frames.InputAudioRawFrame) else b""
        while len(self._sound) >= (size := 2 * self._activity.window):
            await self._hear(self._sound[:size])
            self._sound = self._sound[size:]
        await self.push_frame(frame, direction)

    async def _hear(self, window: bytes) -> None:
        is_speech = self._activity.confidence(np.frombuffer(window, np.int16)) > 0.5
        self._quiet_ms = 0.0 if is_speech else self._quiet_ms + len(window) * 500 / self._activity.sample_rate
        if is_speech and not self._turn:
            await self.broadcast_frame(frames.ProposedUserStartedSpeakingFrame)
        self._turn += window if is_speech or self._turn else b""
        if self._turn and self._quiet_ms >= 400:
            turn, self._turn = np.frombuffer(self._turn, np.int16), b""
            words = SPEECH.ears.listen(turn, self._activity.sample_rate)
            await self.push_frame(frames.TranscriptionFrame(words, "", "", finalized=True))
            await self.broadcast_frame(frames.ProposedUserStoppedSpeakingFrame)


class LocalBrain(FrameProcessor):  # OpenAILLMService takes this place.
    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, frames.LLMContextFrame):
            turns = [Message(turn["role"], turn["content"]) for turn in frame.context.get_messages()]
            await self.push_frame(frames.LLMFullResponseStartFrame())
            async for piece in ScriptBrain().reply(Conversation(turns=turns)):
                await self.push_frame(frames.LLMTextFrame(piece.text))
            frame = frames.LLMFullResponseEndFrame()
        await self.push_frame(frame, direction)


class LocalVoice(TTSService):  # CartesiaTTSService takes this place.
    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[frames.Frame | None, None]:
        for piece in SPEECH.voice.speak(text):
            yield frames.TTSAudioRawFrame(piece.tobytes(), SPEECH.voice.sample_rate, 1, context_id=context_id)


async def main(answer: str = "answer.wav") -> None:
    question = b"".join(piece.tobytes() for piece in SPEECH.voice.speak("Who are you?"))
    transport = WavFileTransport(Sound(question, SPEECH.voice.sample_rate), answer_path=answer)
    turns = aggregators.LLMUserAggregatorParams(user_turn_strategies=strategies.ExternalUserTurnStrategies())
    context = aggregators.LLMContextAggregatorPair(LLMContext(), user_params=turns)
    settings = TTSSettings(model="local", voice="local", language=None)
    voice = LocalVoice(settings=settings, push_start_frame=True, push_stop_frames=True, sample_rate=24000)
    ears = [AudioResampler(in_rate=SPEECH.activity().sample_rate), LocalEars(), context.user()]
    mouth = [LocalBrain(), voice, transport.output(), context.assistant()]
    await run(Pipeline([transport.input(), *ears, *mouth]))


if __name__ == "__main__":
    asyncio.run(main())
