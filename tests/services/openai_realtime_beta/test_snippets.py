"""The code of the service's document (seed S003), as it stands there; only the packages in its imports are ours.

The document reads the key from the environment and connects to the default address, so tests set the one and point the
other at a local server: at the beta's, and at the one that has shut the beta down. One snippet lacks two commas (C17).
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.services.llm_service import FunctionCallParams

from tests.support.pipelines import Running, running
from tests.support.tones import heard, spoken, tone_server
from voicepipe.frames import (
    FunctionCallResultFrame,
    InputAudioRawFrame,
    LLMRunFrame,
    OpenAILLMContextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from voicepipe.pipeline import Pipeline
from voicepipe.services.openai_realtime_beta import (
    OpenAIRealtimeBetaLLMService,
    OpenAIRealtimeLLMContext,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.transports.sound import Sound

pytestmark = pytest.mark.virtual_time

INSTRUCTIONS = """
service = OpenAIRealtimeBetaLLMService(
    api_key=os.getenv("OPENAI_API_KEY"),
    session_properties=SessionProperties(
        instructions="You are a helpful assistant. Be concise and friendly."
    )
)
"""

TRANSCRIPTION = """
from pipecat.services.openai_realtime_beta.events import InputAudioTranscription

service = OpenAIRealtimeBetaLLMService(
    api_key=os.getenv("OPENAI_API_KEY"),
    session_properties=SessionProperties(
        input_audio_transcription=InputAudioTranscription(
            model="gpt-4o-transcribe",
            language="en",
            prompt="This is a technical conversation about programming"
        )
    )
)
"""

USAGE = """
from pipecat.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from pipecat.services.openai_realtime_beta.events import SessionProperties, TurnDetection

# Configure service
service = OpenAIRealtimeBetaLLMService(
    api_key="your-api-key",
    session_properties=SessionProperties(
        modalities=["audio", "text"],
        voice="alloy",
        turn_detection=TurnDetection(
            threshold=0.5,
            silence_duration_ms=800
        ),
        temperature=0.7
    )
)

# Use in pipeline
pipeline = Pipeline([
    audio_input,       # Produces InputAudioRawFrame
    service,           # Processes speech/generates responses
    audio_output       # Handles TTSAudioRawFrame
])
"""

FUNCTIONS = """
from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.services.openai_realtime_beta import SessionProperties

# Define weather function using standardized schema
weather_function = FunctionSchema(
    name="get_weather",
    description="Get weather information",
    properties={
        "location": {"type": "string"}
    },
    required=["location"]
)

# Create tools schema
tools = ToolsSchema(standard_tools=[weather_function])

# Configure service with tools
llm = OpenAIRealtimeBetaLLMService(
    api_key="your-api-key",
    session_properties=SessionProperties(
        tools=tools,
        tool_choice="auto"
    )
)

llm.register_function("get_weather", fetch_weather_from_api)
"""

DETECTION = """
# Server-side basic VAD
turn_detection = TurnDetection(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=800
)
basic = turn_detection

# Server-side semantic VAD
turn_detection = SemanticTurnDetection(
  type="semantic_vad",
  eagerness="auto", # default. could also be "low" | "medium" | "high"
  create_response=True, # default
  interrupt_response=True # default
)
semantic = turn_detection

# Disable turn detection
turn_detection = False
"""

CONTEXT = """
# Create context
context = OpenAIRealtimeLLMContext(
    messages=[],
    tools=[],
    system="You are a helpful assistant"
)

# Create aggregators
aggregators = service.create_context_aggregator(context)
"""


class Document:
    """The document, read from the top: a snippet sees the names of those before it."""

    def __init__(self, sent: list[dict]) -> None:
        self._sent = sent
        self.names: dict[str, Any] = {
            "os": os,
            "OpenAIRealtimeBetaLLMService": OpenAIRealtimeBetaLLMService,
            "OpenAIRealtimeLLMContext": OpenAIRealtimeLLMContext,
            "SemanticTurnDetection": SemanticTurnDetection,
            "SessionProperties": SessionProperties,
            "TurnDetection": TurnDetection,
            "Pipeline": Pipeline,
        }

    def run(self, *snippets: str) -> None:
        # The document imports from places that Pipecat keeps until 2.0 and warns of past any filter.
        with warnings.catch_warnings(record=True) as told:
            for snippet in snippets:
                exec(snippet.replace("pipecat.services", "voicepipe.services"), self.names)
        assert all("is deprecated since" in str(one.message) for one in told)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def sent(self, type_: str) -> list[dict]:
        """The events of a type that went to the server, oldest first."""
        return [event for event in self._sent if event["type"] == type_]


@pytest.fixture(params=["beta", "ga"], ids=["beta served", "beta shut down"])
async def document(request, monkeypatch) -> AsyncIterator[Document]:
    sent: list[dict] = []

    def watch(way: str, event: Any) -> None:
        if way == "in":
            sent.append(dict(event))

    async with tone_server(wire=request.param, on_event=watch) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        defaults = OpenAIRealtimeBetaLLMService.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "base_url", server.url)
        yield Document(sent)


async def say(bot: Running, words: str) -> None:
    """Say something, as fast as it is spoken, and then nothing for a second."""
    sound = spoken(words)
    pcm = sound.pcm + bytes(2 * sound.sample_rate)
    for start in range(0, len(pcm), 960):
        await bot.worker.queue_frame(InputAudioRawFrame(pcm[start : start + 960], sound.sample_rate, 1))
        await asyncio.sleep(0.02)


async def answer(bot: Running, count: int = 1) -> str:
    await bot.down.wait_for(TTSStoppedFrame, count=count)
    frames = bot.down.of(TTSAudioRawFrame)
    frames = [frame for frame in frames if frame.context_id == frames[-1].context_id]
    return heard(Sound(b"".join(frame.audio for frame in frames), frames[0].sample_rate))


async def test_s003_10_instructions(document):
    document.run(INSTRUCTIONS)
    async with running(document["service"]) as bot:
        await say(bot, "hello")
        assert await answer(bot) == "Hello! How can I help you?"
    [told] = document.sent("session.update")
    assert told["session"]["instructions"] == "You are a helpful assistant. Be concise and friendly."


async def test_s003_14_21_transcription(document):
    document.run(TRANSCRIPTION)
    async with running(document["service"]) as bot:
        await say(bot, "hello")
        await answer(bot)
    [told] = document.sent("session.update")
    transcription = (
        told["session"].get("input_audio_transcription")
        or (told["session"]["audio"]["input"]["transcription"])
    )
    assert transcription == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "This is a technical conversation about programming",
    }


async def test_s003_22_36_usage_example(document):
    document.names |= {"audio_input": IdentityFilter(), "audio_output": IdentityFilter()}
    document.run(USAGE)
    processors = [document["audio_input"], document["service"], document["audio_output"]]
    linked = [entry for entry in document["pipeline"].processors if entry in processors]
    assert linked == processors
    async with running(document["pipeline"]) as bot:
        await say(bot, "hello")
        assert await answer(bot) == "Hello! How can I help you?"


async def test_s003_37_38_39_function_calling(document):
    asked: list[Any] = []

    async def fetch_weather_from_api(params: FunctionCallParams) -> None:
        asked.append(params.arguments)
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    document.names["fetch_weather_from_api"] = fetch_weather_from_api
    document.run(FUNCTIONS)
    async with running(document["llm"]) as bot:
        await say(bot, "what is the weather in paris")
        await bot.down.wait_for(FunctionCallResultFrame)
        assert "21" in await answer(bot)
    assert len(asked) == 1


async def test_s003_44_45_46_turn_detection(document):
    document.run(DETECTION)
    assert (document["basic"].silence_duration_ms, document["basic"].threshold) == (800, 0.5)
    for name, answers in (("basic", True), ("semantic", True), ("turn_detection", False)):
        service = OpenAIRealtimeBetaLLMService(
            api_key="any", session_properties=SessionProperties(turn_detection=document[name])
        )
        assert service.session.server_decides_turns is answers
        if answers:
            async with running(service) as bot:
                await say(bot, "hello")
                assert await answer(bot) == "Hello! How can I help you?"


async def test_s003_47_48_context_management(document):
    document.run(INSTRUCTIONS, CONTEXT)
    aggregators = document["aggregators"]
    processors = [aggregators.user(), document["service"], aggregators.assistant()]
    async with running(*processors) as bot:
        await say(bot, "hello")
        assert await answer(bot) == "Hello! How can I help you?"
    [told] = document.sent("session.update")
    assert told["session"]["instructions"] == "You are a helpful assistant"


async def test_s003_48_a_function_of_the_context_runs_in_the_first_turn_and_the_context_holds_each_word_once(
    document,
):
    async def get_weather(params: FunctionCallParams, city: str):
        """The weather.

        Args:
            city: Where.
        """
        await params.result_callback({"temperature": 21, "conditions": f"fog in {city}"})

    document.run(TRANSCRIPTION)
    context = OpenAIRealtimeLLMContext(tools=[get_weather])
    aggregators = document["service"].create_context_aggregator(context)
    async with running(aggregators.user(), document["service"], aggregators.assistant()) as bot:
        await say(bot, "what is the weather in paris")
        assert "fog in Paris" in await answer(bot)
        await asyncio.sleep(5)
        await say(bot, "hello")
        await answer(bot, count=2)
        await asyncio.sleep(5)
    users = [message for message in context.messages if message.get("role") == "user"]
    assert [message["content"] for message in users] == ["what is the weather in paris", "hello"]


async def test_s003_27_47_a_context_frame_brings_instructions_messages_and_tools(document):
    document.run(INSTRUCTIONS)
    context = OpenAIRealtimeLLMContext(
        messages=[{"role": "user", "content": "hello"}],
        tools=[{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}],
        system="answer: Blue.",
    )
    async with running(document["service"]) as bot:
        await bot.worker.queue_frame(OpenAILLMContextFrame(context))
        assert await answer(bot) == "Blue."
        await bot.worker.queue_frame(LLMRunFrame())
        assert await answer(bot, count=2) == "Blue."
    [created] = document.sent("conversation.item.create")
    assert created["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    told = {name for event in document.sent("session.update") for name in event["session"]}
    assert {"instructions", "tools"} <= told
