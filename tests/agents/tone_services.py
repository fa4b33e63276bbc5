"""Speech to text, a language model and text to speech as Pipecat's services, in tones and by the script."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import numpy as np
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, TTSSettings
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

from voicepipe.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from voicepipe.local.brain import Call, Conversation, Message, ToolResult, ToolUse
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.tones import ToneEars, ToneVoice

with warnings.catch_warnings():
    # Pipecat's module warns of a class in it that nobody uses here.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pipecat.services.tts_service import TTSService

_QUIET_MS = 200


class ToneSTT(FrameProcessor):
    """Understands tones, and ends a turn after silence."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = b""
        self._quiet_ms = 0.0
        self.frames = 0

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self._hear(frame)
        await self.push_frame(frame, direction)

    async def _hear(self, frame) -> None:
        self.frames += 1
        loud = np.abs(np.frombuffer(frame.audio, np.int16)).max(initial=0) > 500
        if loud and not self._heard:
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        if loud or self._heard:
            self._heard += frame.audio
        self._quiet_ms = 0.0 if loud else self._quiet_ms + len(frame.audio) * 500 / frame.sample_rate
        if self._heard and self._quiet_ms >= _QUIET_MS:
            words = ToneEars().listen(np.frombuffer(self._heard, np.int16), frame.sample_rate)
            self._heard = b""
            await self.push_frame(TranscriptionFrame(words, "", "", finalized=True))
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class ScriptLLM(LLMService):
    """Answers a context by the local script."""

    def __init__(self) -> None:
        names = ("system_instruction", "temperature", "max_tokens", "top_p", "top_k", "frequency_penalty")
        nothing = dict.fromkeys((*names, "presence_penalty", "seed", "user_turn_completion_config"))
        super().__init__(settings=LLMSettings(model="script", filter_incomplete_user_turns=False, **nothing))
        self._calls = 0

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, context) -> None:
        calls = []
        await self.push_frame(LLMFullResponseStartFrame())
        async for piece in ScriptBrain().reply(_conversation(context)):
            if isinstance(piece, Call):
                self._calls += 1
                calls.append(FunctionCallFromLLM(piece.name, f"call_{self._calls}", piece.arguments, context))
            else:
                await self._push_llm_text(piece.text)
        await self.push_frame(LLMFullResponseEndFrame())
        if calls:
            await self.run_function_calls(calls)


def _conversation(context) -> Conversation:
    instructions, turns = "", []
    for message in context.get_messages():
        content = message.get("content")
        if message["role"] in ("system", "developer"):
            instructions = f"{instructions}\n{content}"
        elif message["role"] == "tool":
            if content not in ("IN_PROGRESS", '"IN_PROGRESS"'):
                turns.append(ToolResult(message["tool_call_id"], content))
        elif message.get("tool_calls"):
            for call in message["tool_calls"]:
                function = call["function"]
                turns.append(ToolUse(call["id"], function["name"], json.loads(function["arguments"])))
        else:
            turns.append(Message(message["role"], content))
    offered = context.tools.standard_tools if context.tools else []
    tools = [{"name": tool.name, "parameters": {"properties": tool.properties}} for tool in offered]
    return Conversation(instructions=instructions, turns=turns, tools=tools)


class ToneTTS(TTSService):
    """Speaks tones."""

    def __init__(self) -> None:
        super().__init__(
            settings=TTSSettings(model="tones", voice="tones", language=None),
            sample_rate=24000,
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.2,
        )
        self.texts: list[str] = []

    async def run_tts(self, text, context_id):
        self.texts.append(text)
        for piece in ToneVoice(24000).speak(text.strip()):
            yield TTSAudioRawFrame(piece.tobytes(), 24000, 1, context_id=context_id)


# As the document names the plugins of its pipeline.
deepgram = SimpleNamespace(STT=lambda model: ToneSTT())
openai = SimpleNamespace(LLM=lambda model: ScriptLLM())
cartesia = SimpleNamespace(TTS=ToneTTS)
silero = SimpleNamespace(VAD=SimpleNamespace(load=lambda: None))


def cascade() -> dict:
    return {"stt": ToneSTT(), "llm": ScriptLLM(), "tts": ToneTTS(), "turns": ExternalUserTurnStrategies()}
