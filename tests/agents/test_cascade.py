"""The same agent on a chain of services."""

from __future__ import annotations

from datetime import date

import pytest

from tests.agents.calls import call, caller, local, watch
from tests.agents.test_tools_in_session import Desk, Sales
from tests.agents.tone_services import ToneTTS, cascade
from tests.support.tones import heard_in
from voicepipe.agents import Agent, AgentSession, function_tool


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
@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ({"status": date(2026, 5, 1)}, "Your order 42 is 2026-05-01."),
        (0, "About your order 42: 0."),
        (False, "About your order 42: false."),
        (None, "About your order 42: COMPLETED."),
    ],
    ids=str,
)
async def test_a_chain_speaks_to_whatever_a_tool_returns(tmp_path, result, answer):
    class Orders(Agent):
        @function_tool()
        async def get_order_status(self, order_id: str) -> object:
            """Look up an order."""
            return result

    room = caller("order four two", answer_path=tmp_path / "answer.wav")
    await call(AgentSession(), Orders(instructions=""), room, **cascade())
    assert heard_in(tmp_path / "answer.wav").casefold() == answer.casefold()


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


@pytest.mark.virtual_time
async def test_in_a_chain_too_a_speech_can_be_said_to_its_end(tmp_path):
    handles = []

    class Notice(Agent):
        async def on_enter(self):
            words = "one two three four five six seven eight."
            handles.append(await self.session.say(words, allow_interruptions=False))

    room = caller(
        "hello there agent can you hear me", answer_path=tmp_path / "answer.wav", answer_timeout_secs=9
    )
    await call(AgentSession(), Notice(instructions=""), room, **cascade())
    assert not handles[0].interrupted
    assert heard_in(tmp_path / "answer.wav").startswith("one two three four five six seven eight.")
