"""ElevenLabs' engine on the phone: what reaches its agent, and what that does not allow is the call's reason to end."""

from __future__ import annotations

import pytest

from tests.local.elevenlabs.caller import convai_server
from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import heard, spoken
from voicepipe.local.elevenlabs import Agent
from voicepipe.phone import CallHooks, ElevenLabsConvAI

pytestmark = pytest.mark.virtual_time


def begun(events: list[dict]) -> list[dict]:
    """How conversations were begun."""
    return [event for event in events if event.get("type") == "conversation_initiation_client_data"]


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
    server = convai_server(on_event=lambda _, event: events.append(dict(event)))
    async with server, FakeCarrier(carrier) as far:
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
    assert len(begun(events)) == 1


async def test_what_is_not_given_is_not_overridden_and_what_is_allowed_is():
    agent = Agent("agent_1", first_message="Hello from there!", allows=["agent.prompt.prompt"])
    async with convai_server(agent) as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        engine = ElevenLabsConvAI(agent_id="agent_1", api_key="k", base_url=server.url)
        talks = phone.agent(engine=engine, system_prompt="Be kind.")
        async with phone.serving(talks, port=0) as door, await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
    assert heard(call.heard) == "Hello from there! Hello! How can I help you?"


async def test_s000_48_and_49_prompt_first_message_voice_and_tools_reach_elevenlabs():
    events = []
    server = convai_server(
        Agent("agent_1", allows=["agent.prompt.prompt", "agent.first_message", "tts.voice_id"]),
        Agent("agent_2", first_message="Hi!"),
        on_event=lambda _, event: events.append(dict(event)),
    )
    async with server, FakeCarrier("plivo") as far:
        phone = far.phone()
        engine = ElevenLabsConvAI(agent_id="agent_1", api_key="k", voice="rachel", base_url=server.url)
        agent = phone.agent(engine=engine, system_prompt="Be kind.", first_message="Good day!")
        plain = phone.agent(engine=ElevenLabsConvAI(agent_id="agent_2", api_key="k", base_url=server.url))
        agents = [plain, agent]
        async with phone.serving(lambda caller: agents.pop(), port=0) as door:
            heard_words: list[str] = []
            for _ in range(2):
                async with await far.call(door.local_url) as call:
                    await call.until_answered()
                heard_words.append(heard(call.heard))
    assert heard_words == ["Good day!", "Hi!"]
    first, second = begun(events)
    override = first["conversation_config_override"]
    assert override["agent"]["prompt"]["prompt"] == "Be kind."
    assert override["tts"] == {"voice_id": "rachel"}
    assert not second.get("conversation_config_override")
