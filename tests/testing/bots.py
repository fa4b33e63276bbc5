"""Bots' files, for the tests that call them."""

from __future__ import annotations

from pathlib import Path

from voicepipe.cli.init import written

PIPELINE = written("bot", "pipeline")[Path("bot.py")]
PHONE = written("bot", "phone")[Path("bot.py")]
AGENT = written("bot", "agent")[Path("bot.py")]
BRAIN = written("bot", "pipeline")[Path("scenarios/brain.yaml")]

ENDS = PHONE.replace('first_message="Hello, this is the shop!"', 'first_message=""')
"""Hangs up a telephone call when it is told to."""

STYLES = {"pipeline": PIPELINE, "phone": PHONE, "agent": AGENT}

LEAVES = """
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline
from voicepipe.frames import EndWorkerFrame, LLMFullResponseEndFrame


class Leave(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            await self.push_frame(EndWorkerFrame(reason="that is all"), FrameDirection.UPSTREAM)


def bot(transport, openai):
    llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
    return Pipeline([transport.input(), AudioResampler(), llm, Leave(), transport.output()])
"""
"""Says one thing and goes."""

KEYS = """
from pipecat.processors.frame_processor import FrameProcessor
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline
from voicepipe.frames import InputDTMFFrame, TranscriptionFrame


class Keys(FrameProcessor):
    def __init__(self):
        super().__init__()
        self._keys = ""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame):
            self._keys += frame.button.value
            if frame.button.value == "#":
                await self.push_frame(TranscriptionFrame(f"keys {self._keys}", "", ""))
            return
        await self.push_frame(frame, direction)


def bot(transport, openai):
    llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
    return Pipeline([transport.input(), Keys(), AudioResampler(), llm, transport.output()])
"""
"""Writes down the keys that are pressed."""

FAILS = "def bot(transport, openai):\n    raise ZeroDivisionError('no pipeline today')\n"
REFUSED = """
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline


def bot(transport, openai):
    llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url="ws://127.0.0.1:9/v1/realtime")
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
"""
"""Nobody is where it looks for the API."""
