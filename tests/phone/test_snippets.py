"""The snippets of the documents S000 and S001 run, and answer calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.local.elevenlabs.caller import convai_server
from tests.support.phones import CALLER, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.local.elevenlabs import Agent

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("keys_in_environment")]


SNIPPETS = {
    "S000 OpenAIRealtime": """
import asyncio
from voicepipe.phone import Phone, Twilio, OpenAIRealtime

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=OpenAIRealtime(voice="nova"),                        # OPENAI_API_KEY from env
    system_prompt="You are a helpful assistant.",
    first_message="Hello!",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
    "S000 OpenAIRealtime2": """
import asyncio
from voicepipe.phone import Phone, Twilio, OpenAIRealtime2

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=OpenAIRealtime2(reasoning_effort="low"),             # OPENAI_API_KEY from env
    system_prompt="You are a friendly receptionist.",
    first_message="Hello! How can I help?",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
    "S001 worked example": """
import asyncio

from voicepipe.phone import Phone, Twilio
from voicepipe.phone.providers.openai_realtime import (
    OpenAIRealtimeAdapter,
    OpenAIRealtimeModel,
    OpenAITranscriptionModel,
)

phone = Phone(carrier=Twilio(), phone_number="+15555550100")  # TWILIO_* from env

adapter = OpenAIRealtimeAdapter(
    api_key="",                                            # reads OPENAI_API_KEY
    model=OpenAIRealtimeModel.GPT_REALTIME_2,
    voice="nova",
    instructions="You are a helpful, concise voice assistant.",
    input_audio_transcription_model=OpenAITranscriptionModel.GPT_REALTIME_WHISPER,
    reasoning_effort="low",                                # OpenAI's recommended production tier
)

agent = phone.agent(
    engine=adapter,                                        # adapter passed as engine
    system_prompt="You are a helpful assistant.",
    first_message="Hi, how can I help today?",
)

async def main() -> None:
    await phone.serve(agent)

asyncio.run(main())
""",
    "S000 ElevenLabsConvAI": """
import asyncio
from voicepipe.phone import Phone, Twilio, ElevenLabsConvAI

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=ElevenLabsConvAI(agent_id="agent_abc123"),           # ELEVENLABS_API_KEY from env
    system_prompt="You are a warm and friendly concierge.",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
}


def started(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], asyncio.Task[None]]:
    """Run a snippet as far as its last line, which goes on as a task of this loop."""
    mains: list[Any] = []
    monkeypatch.setattr(asyncio, "run", mains.append)
    monkeypatch.setenv("PORT", "0")
    names: dict[str, Any] = {}
    exec(compile(SNIPPETS[name], name, "exec"), names)
    [main] = mains
    return names, asyncio.create_task(main)


@pytest.mark.parametrize("name", [name for name in SNIPPETS if "ElevenLabs" not in name])
async def test_s000_10_to_14_and_s001_25_to_29_the_snippets_answer_calls(name, monkeypatch):
    async with tone_server() as server, FakeCarrier("twilio") as far:
        monkeypatch.setenv("OPENAI_REALTIME_URL", server.url)
        names, serving = started(name, monkeypatch)
        door = await names["phone"].until_serving()
        async with await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
            [running] = names["phone"].calls
            assert running.caller == CALLER
        await running.result()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert heard(call.heard) == names["agent"].first_message + " Hello! How can I help you?"


async def test_s000_45_to_49_the_snippet_of_elevenlabs_answers_calls(monkeypatch):
    local = Agent("agent_abc123", first_message="Hello from there!", allows=["agent.prompt.prompt"])
    async with convai_server(local) as server, FakeCarrier("twilio") as far:
        monkeypatch.setenv("ELEVENLABS_CONVAI_URL", server.url)
        names, serving = started("S000 ElevenLabsConvAI", monkeypatch)
        door = await names["phone"].until_serving()
        async with await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert heard(call.heard) == "Hello from there! Hello! How can I help you?"
