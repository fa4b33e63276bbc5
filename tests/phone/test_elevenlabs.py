"""ElevenLabs' engine on the phone: what its agent does not allow is said in the call's reason, once."""

from __future__ import annotations

import pytest

from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import heard, spoken
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.server import LocalElevenLabsServer
from voicepipe.local.speech.engines import speech_engine
from voicepipe.phone import CallHooks, ElevenLabsConvAI

pytestmark = pytest.mark.virtual_time


def local_server(agent: Agent, events: list) -> LocalElevenLabsServer:
    return LocalElevenLabsServer(
        [agent],
        speech=speech_engine("tones"),
        brain=ScriptBrain(Script.default()),
        on_event=lambda way, event: events.append((way, event.get("type"))),
    )


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"first_message": "Good day!"}, "first_message"),
        ({"system_prompt": "Be kind."}, "prompt"),
        ({"voice": "rachel"}, "voice_id"),
    ],
    ids=["first_message", "system_prompt", "voice"],
)
async def test_an_override_that_the_agent_does_not_allow_ends_the_call_and_says_what_to_do(
    carrier, given, field
):
    errors, events, given = [], [], dict(given)
    hooks = CallHooks(on_error=lambda call, message: errors.append(message))
    async with local_server(Agent("agent_1"), events) as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        voice = given.pop("voice", "")
        engine = ElevenLabsConvAI(agent_id="agent_1", api_key="k", voice=voice, base_url=server.url)
        async with phone.serving(phone.agent(engine=engine, hooks=hooks, **given), port=0) as door:
            async with await far.call(door.local_url) as call:
                [running] = phone.calls
                await call.until_ended()
            result = await running.result()
    assert result.status == "failed"
    for text in (result.reason, errors[0]):
        assert field in text
        assert "allow it in the agent's security settings at ElevenLabs" in text
    # Another try would end in the same way.
    assert events.count(("in", "conversation_initiation_client_data")) == 1


async def test_what_is_not_given_is_not_overridden_and_what_is_allowed_is():
    events = []
    agent = Agent("agent_1", first_message="Hello from there!", allows=["agent.prompt.prompt"])
    async with local_server(agent, events) as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        engine = ElevenLabsConvAI(agent_id="agent_1", api_key="k", base_url=server.url)
        talks = phone.agent(engine=engine, system_prompt="Be kind.")
        async with phone.serving(talks, port=0) as door, await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
    assert heard(call.heard) == "Hello from there! Hello! How can I help you?"
