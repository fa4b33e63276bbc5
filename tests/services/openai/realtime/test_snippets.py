"""The code of the service's document (seed S002), as it stands there; only the package in its imports is ours.

The document reads the key from the environment and connects to the default address, so tests set the one and point the
other at the local server. Its lines had lost their indentation (C30) and have it again.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.pipelines import Running, running
from tests.support.tones import heard, spoken, tone_server
from voicepipe.frames import InputAudioRawFrame, TTSAudioRawFrame, TTSStoppedFrame, UserStoppedSpeakingFrame
from voicepipe.local import LocalServer
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SemanticTurnDetection
from voicepipe.transports.sound import Sound

BASIC = """
import os
from pipecat.services.openai.realtime import OpenAIRealtimeLLMService

llm = OpenAIRealtimeLLMService(
    api_key=os.getenv("OPENAI_API_KEY"),
    model="gpt-4o-realtime-preview",
)
"""

CONFIGURED = """
from pipecat.services.openai.realtime import OpenAIRealtimeLLMService
from pipecat.services.openai.realtime.events import (
    SessionProperties,
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioTranscription,
    SemanticTurnDetection,
)

session_properties = SessionProperties(
    instructions="You are a helpful assistant.",
    audio=AudioConfiguration(
        input=AudioInput(
            transcription=InputAudioTranscription(model="gpt-4o-transcribe"),
            turn_detection=SemanticTurnDetection(eagerness="medium"),
        ),
        output=AudioOutput(
            voice="alloy",
            speed=1.0,
        ),
    ),
    max_output_tokens=4096,
)

llm = OpenAIRealtimeLLMService(
    api_key=os.getenv("OPENAI_API_KEY"),
    model="gpt-4o-realtime-preview",
    session_properties=session_properties,
)
"""

MANUAL = """
session_properties = SessionProperties(
    audio=AudioConfiguration(
        input=AudioInput(
            turn_detection=False,
        ),
    ),
)

llm = OpenAIRealtimeLLMService(
    api_key=os.getenv("OPENAI_API_KEY"),
    model="gpt-4o-realtime-preview",
    session_properties=session_properties,
)
"""

UPDATE = """
from pipecat.frames.frames import LLMUpdateSettingsFrame

await task.queue_frame(
    LLMUpdateSettingsFrame(
        settings={
            "instructions": "Now speak in Spanish.",
            "max_output_tokens": 2048,
        }
    )
)
"""

HANDLERS = """
@llm.event_handler("on_conversation_item_created")
async def on_item_created(service, item_id, item):
    print(f"New conversation item: {item_id}")

@llm.event_handler("on_conversation_item_updated")
async def on_item_updated(service, item_id, item):
    print(f"Conversation item updated: {item_id}")
"""


class Document:
    """The document, read from the top: a snippet sees the names of those before it."""

    def __init__(self, server: LocalServer, events: list[tuple[str, dict]]) -> None:
        self.server = server
        self.events = events
        self.names: dict[str, Any] = {}

    async def run(self, *snippets: str) -> None:
        for snippet in snippets:
            ours = snippet.replace("pipecat.services.openai", "voicepipe.services.openai")
            code = compile(ours, "<seed S002>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            function = types.FunctionType(code, self.names)
            result = function()
            if inspect.iscoroutine(result):
                await result

    @property
    def llm(self) -> OpenAIRealtimeLLMService:
        return self.names["llm"]

    def sent(self, type_: str) -> list[dict]:
        """The events of a type that went to the server, oldest first."""
        return [event for way, event in self.events if way == "in" and event["type"] == type_]


@pytest.fixture
async def document(monkeypatch) -> AsyncIterator[Document]:
    events: list[tuple[str, dict]] = []
    async with tone_server(on_event=lambda way, event: events.append((way, dict(event)))) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        defaults = OpenAIRealtimeLLMService.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "base_url", server.url)
        yield Document(server, events)


async def say(bot: Running, words: str) -> None:
    """Say something, and then nothing for a second."""
    sound = spoken(words)
    pcm = sound.pcm + bytes(2 * sound.sample_rate)
    for start in range(0, len(pcm), 960):
        await bot.worker.queue_frame(InputAudioRawFrame(pcm[start : start + 960], sound.sample_rate, 1))


async def answer(bot: Running) -> str:
    await bot.down.wait_for(TTSStoppedFrame)
    frames = bot.down.of(TTSAudioRawFrame)
    return heard(Sound(b"".join(frame.audio for frame in frames), frames[0].sample_rate))


async def test_basic_setup(document):
    await document.run(BASIC)
    async with running(document.llm) as bot:
        await say(bot, "hello")
        assert await answer(bot) == "Hello! How can I help you?"


async def test_with_session_configuration(document):
    await document.run(BASIC, CONFIGURED)
    detection = document.llm.session_properties.audio.input.turn_detection
    assert detection == SemanticTurnDetection(eagerness="medium")
    async with running(document.llm) as bot:
        await say(bot, "hello")
        assert await answer(bot) == "Hello! How can I help you?"
    [told] = document.sent("session.update")
    assert told["session"]["audio"]["input"]["transcription"] == {"model": "gpt-4o-transcribe"}
    assert told["session"]["audio"]["output"] == {"voice": "alloy", "speed": 1.0}
    assert told["session"]["max_output_tokens"] == 4096


async def test_with_disabled_turn_detection(document):
    await document.run(BASIC, CONFIGURED, MANUAL)
    async with running(document.llm) as bot:
        await say(bot, "hello")
        await bot.worker.queue_frame(UserStoppedSpeakingFrame())
        assert await answer(bot) == "Hello! How can I help you?"
    assert document.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"] is None
    assert len(document.sent("input_audio_buffer.commit")) == 1


async def test_updating_settings_at_runtime_and_event_handlers(document, capsys):
    await document.run(BASIC, HANDLERS)
    async with running(document.llm) as bot:
        document.names["task"] = bot.worker
        await document.run(UPDATE)
        await say(bot, "hello")
        await answer(bot)
    changed = document.sent("session.update")[-1]["session"]
    assert changed["instructions"] == "Now speak in Spanish."
    assert changed["max_output_tokens"] == 2048
    printed = capsys.readouterr().out
    assert printed.count("New conversation item: ") == 2
    assert "Conversation item updated: " in printed
