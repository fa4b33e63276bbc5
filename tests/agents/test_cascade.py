"""The same agent on a chain of services."""

from __future__ import annotations

import pytest

from tests.agents.calls import call, caller, local, watch
from tests.agents.test_tools_in_session import Desk, Sales
from tests.agents.tone_services import ToneTTS, cascade
from tests.support.tones import heard_in
from voicepipe.agents import Agent, AgentSession


@pytest.mark.virtual_time
async def test_a_chain_of_services_answers_in_speech_and_tells_the_same_events(tmp_path):
    session = AgentSession()
    seen = watch(session)
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    closed = await call(session, Agent(instructions="You help."), room, **cascade())
    assert heard_in(tmp_path / "answer.wav").split() == ["Hello!", "How", "can", "I", "help", "you?"]
    assert [str(event) for event in seen.of("conversation_item_added")] == [
        "user: hello",
        "assistant: Hello! How can I help you?",
    ]
    [words] = seen.of("user_input_transcribed")
    assert (words.text, words.is_final) == ("hello", True)
    assert seen.of("agent_state_changed")[:3] == ["listening", "thinking", "speaking"]
    assert session.agent_state == "listening"
    assert closed.reason == "participant_disconnected"
    assert not seen.of("error")


@pytest.mark.virtual_time
async def test_a_chain_hands_over(tmp_path):
    session = AgentSession()
    room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav")
    await call(session, Desk(Sales()), room, **cascade())
    assert heard_in(tmp_path / "answer.wav").split() == ["This", "is", "sales.", "This", "is", "sales."]


@pytest.mark.virtual_time
async def test_a_chain_says_and_replies(tmp_path):
    class Greeter(Agent):
        async def on_enter(self):
            await self.session.say("Good morning.")
            await self.session.generate_reply(user_input="who are you")

    from tests.agents.calls import after

    session = AgentSession()
    room = caller(after(9, "thank you"), answer_path=tmp_path / "answer.wav")
    await call(session, Greeter(instructions=""), room, **cascade())
    heard = heard_in(tmp_path / "answer.wav")
    assert heard.startswith("Good morning. I am the local voicepipe bot.")
    assert "user: who are you" in [str(item) for item in session.history.messages()]


@pytest.mark.virtual_time
async def test_a_realtime_model_that_answers_in_text_gets_the_voice_beside_it(tmp_path):
    voice = ToneTTS()
    async with local() as here:
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        await call(AgentSession(), Agent(instructions=""), room, here.model(modalities=["text"]), tts=voice)
    assert heard_in(tmp_path / "answer.wav").split() == ["Hello!", "How", "can", "I", "help", "you?"]
    assert voice.texts
