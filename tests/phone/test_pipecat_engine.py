"""Pipecat's own realtime service as the engine of a call."""

from __future__ import annotations

import pytest
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService

from tests.support.phones import FakeCarrier
from tests.support.tones import heard, spoken, tone_server


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
