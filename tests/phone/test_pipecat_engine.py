"""Pipecat's own realtime service as the engine of a call."""

from __future__ import annotations

import pytest
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService

from tests.support.phones import FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.phone import CallHooks


@pytest.mark.virtual_time
async def test_pipecats_own_realtime_service_answers_a_call():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(
            engine=lambda: OpenAIRealtimeLLMService(api_key="k", base_url=server.url),
            system_prompt="Be kind.",
        )
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.until_played(100)
                await call.until_answered()
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
            result = await running.result()
    assert heard(call.heard).endswith("Hello! How can I help you?")
    assert result.outcome == "answered"


@pytest.mark.virtual_time
async def test_pipecats_own_realtime_service_is_not_waited_for_to_say_last_words_which_it_never_does():
    errors = []
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(
            engine=lambda: OpenAIRealtimeLLMService(api_key="k", base_url=server.url),
            max_call_secs=10,
            max_call_message="Time is up.",
            hooks=CallHooks(on_error=lambda call, message: errors.append(message)),
        )
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            [running] = phone.calls
            await call.until_ended()
            result = await running.result()
    assert result.reason == "the call reached its longest duration"
    assert result.duration_secs < 15
    assert errors == ["the last words were not said: the engine says nothing on request"]
