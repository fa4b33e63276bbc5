"""A session end to end: a caller, an agent and the local server."""

from __future__ import annotations

import pytest

from tests.agents.calls import call, caller, local, watch
from tests.support.tones import heard_in
from voicepipe.agents import Agent, AgentSession


@pytest.mark.virtual_time
async def test_a_spoken_turn_is_heard_answered_and_told(tmp_path):
    async with local() as here:
        session = AgentSession()
        seen = watch(session)
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        closed = await call(session, Agent(instructions="You help."), room, here.model())
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    assert not room.unanswered
    assert [str(message) for message in session.history.messages()] == [
        "user: hello",
        "assistant: Hello! How can I help you?",
    ]
    assert [str(event) for event in seen.of("conversation_item_added")] == [
        "user: hello",
        "assistant: Hello! How can I help you?",
    ]
    assert seen.of("agent_state_changed") == ["listening", "thinking", "speaking", "listening"]
    assert seen.of("user_state_changed") == ["speaking", "listening"]
    assert closed.reason == "participant_disconnected"
    assert seen.of("close") == [closed]
    assert not seen.of("error")
