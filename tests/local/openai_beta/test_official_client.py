"""The vendor's own package knows the beta wire still: its client talks with our server, its types read both sides."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.beta.realtime import RealtimeClientEvent, RealtimeServerEvent
from pipecat.services.llm_service import FunctionCallParams
from pydantic import TypeAdapter

from tests.local.test_clients import unknown_fields
from tests.support.pipelines import running
from tests.support.tones import heard, spoken, tone_server
from voicepipe.frames import (
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMUpdateSettingsFrame,
    TTSAudioRawFrame,
)
from voicepipe.services.openai_realtime_beta import (
    InputAudioNoiseReduction,
    InputAudioTranscription,
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.transports.sound import Sound

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

# Of which the package does not know though sessions had them.
LATE = {
    "response.usage.input_token_details.cached_tokens_details",
    "session.expires_at",
    "session.include",
    "session.object",
    "session.prompt",
    "session.turn_detection.idle_timeout_ms",
}

pytestmark = pytest.mark.virtual_time


async def test_the_official_client_has_a_spoken_turn_and_a_function_call():
    async with tone_server(wire="beta") as server:
        client = AsyncOpenAI(api_key="any", websocket_base_url=server.url.removesuffix("/realtime"))
        sound, types = b"", []
        async with client.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
            await connection.session.update(session={"voice": "echo", "tools": [WEATHER]})
            pcm = spoken("what is the weather in paris").pcm + bytes(48 * 400)
            for at in range(0, len(pcm), 4800):
                await connection.input_audio_buffer.append(audio=b64encode(pcm[at : at + 4800]).decode())
            async for event in connection:
                types.append(event.type)
                if event.type == "response.function_call_arguments.done":
                    result = {"temperature": 21, "conditions": "fog"}
                    item = {"type": "function_call_output", "call_id": event.call_id, "output": str(result)}
                    await connection.conversation.item.create(item=item)
                elif event.type == "response.audio.delta":
                    sound += b64decode(event.delta)
                elif event.type == "response.done":
                    if sound:
                        break
                    await connection.response.create()
        await client.close()
    assert "21" in heard(Sound(sound, 24000))
    assert types[:3] == ["session.created", "conversation.created", "session.updated"]


async def test_its_types_read_all_that_either_side_says():
    """A conversation with a bit of everything; types that do not fit the package's raise."""
    lines: list[tuple[str, dict]] = []

    async def weather(params: FunctionCallParams) -> None:
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    properties = SessionProperties(
        instructions="Brief.",
        voice="alloy",
        modalities=["audio", "text"],
        input_audio_transcription=InputAudioTranscription(),
        input_audio_noise_reduction=InputAudioNoiseReduction(type="near_field"),
        turn_detection=TurnDetection(threshold=0.4),
        tools=[WEATHER],
        temperature=0.7,
        max_response_output_tokens=4096,
    )
    async with tone_server(
        wire="beta", on_event=lambda way, event: lines.append((way, dict(event)))
    ) as server:
        llm = OpenAIRealtimeBetaLLMService(
            api_key="k", base_url=server.url, wire="beta", session_properties=properties
        )
        llm.register_function("get_weather", weather)
        async with running(llm) as bot:
            pcm = spoken("what is the weather in paris").pcm + bytes(48 * 700)
            for at in range(0, len(pcm), 960):
                await bot.worker.queue_frame(InputAudioRawFrame(pcm[at : at + 960], 24000, 1))
                await asyncio.sleep(0.02)
            await bot.down.wait_for(LLMFullResponseEndFrame, count=2)
            await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"turn_detection": False}))
            said = [{"role": role, "content": "count to twenty"} for role in ("assistant", "user")]
            before = len(bot.down.of(TTSAudioRawFrame))
            await bot.worker.queue_frame(LLMMessagesAppendFrame(said, run_llm=True))
            await bot.down.wait_for(TTSAudioRawFrame, count=before + 5)
            await bot.worker.queue_frame(InterruptionFrame())
            await bot.down.wait_for(LLMFullResponseEndFrame, count=3)
            await llm.create_response(conversation="none", instructions="answer: Aside.")
    unknown: set[str] = set()
    for way, event in lines:
        read = (SERVER_EVENT if way == "out" else CLIENT_EVENT).validate_python(event)
        unknown |= set(unknown_fields(read, ""))
    assert unknown <= LATE
    sent = {event["type"] for way, event in lines if way == "in"}
    assert {"response.cancel", "conversation.item.create", "response.create", "session.update"} <= sent
