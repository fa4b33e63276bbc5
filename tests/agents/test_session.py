"""A session end to end: a caller, an agent and the local server."""

from __future__ import annotations

import pytest
from pipecat.processors.frame_processor import FrameDirection

from tests.agents.calls import after, call, caller, local, watch
from tests.support.pipelines import Recorder
from tests.support.tones import heard_in
from voicepipe.agents import Agent, AgentSession, StopResponse, function_tool
from voicepipe.errors import VoicepipeError
from voicepipe.frames import InputAudioRawFrame, TTSAudioRawFrame


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


@pytest.mark.virtual_time
async def test_a_tool_that_stops_the_response_is_not_spoken_to(tmp_path):
    @function_tool
    async def get_order_status(order_id: str) -> str:
        """Look up."""
        raise StopResponse

    async with local() as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav", answer_timeout_secs=2)
        await call(AgentSession(tools=[get_order_status]), Agent(instructions=""), room, here.model())
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_a_user_who_says_nothing_is_away_and_comes_back(tmp_path):
    session = AgentSession(user_away_timeout=3.0)
    seen = watch(session)
    async with local() as here:
        await call(session, Agent(instructions=""), caller(after(5, "hello")), here.model())
    assert seen.of("user_state_changed") == ["away", "speaking", "listening"]


@pytest.mark.virtual_time
async def test_close_ends_everything_at_once_and_a_session_starts_once(tmp_path):
    session = AgentSession(userdata={"name": "Ada"})
    seen = watch(session)
    async with local() as here:
        agent = Agent(instructions="")
        await session.start(agent, room=caller("hello"), llm=here.model())
        assert session.userdata["name"] == "Ada"
        speech = session.say("Never heard to its end.")
        with pytest.raises(VoicepipeError, match="started once"):
            await session.start(agent, room=caller("hello"), llm=here.model())
        await session.aclose()
        await session.aclose()
    assert speech.interrupted
    assert [event.reason for event in seen.of("close")] == ["user_initiated"]
    with pytest.raises(VoicepipeError, match="in no session"):
        _ = agent.session
    with pytest.raises(VoicepipeError, match="does not run"):
        session.say("Too late.")


@pytest.mark.virtual_time
async def test_processors_of_ones_own_stand_on_either_side_of_the_model(tmp_path):
    before, behind = (Recorder(keep=FrameDirection.DOWNSTREAM) for _ in range(2))
    session = AgentSession(input_processors=[before], output_processors=[behind])
    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    processors = session.pipeline.processors
    assert processors.index(before) < processors.index(behind)
    assert before.of(InputAudioRawFrame)
    assert behind.of(TTSAudioRawFrame)
    assert not before.of(TTSAudioRawFrame)
