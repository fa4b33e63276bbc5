"""What an agent is asked to say, and being cut."""

from __future__ import annotations

import asyncio

import pytest

from tests.agents.calls import ENGINES, after, call, caller, engine, local, watch
from tests.support.tones import heard_in, spoken
from voicepipe.agents import Agent, AgentSession
from voicepipe.agents.activity import Activity
from voicepipe.agents.speech import Speeches, SpeechHandle, Wish
from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.local import Pace
from voicepipe.transports.wav_file import Question

each_engine = pytest.mark.parametrize("name", ENGINES)


class Talker(Agent):
    """Does something as soon as it is there, and keeps what came of it."""

    def __init__(self, does, instructions: str = "") -> None:
        super().__init__(instructions=instructions)
        self._does = does
        self.result = None

    async def on_enter(self) -> None:
        self.result = await self._does(self.session)


@pytest.mark.virtual_time
async def test_say_says_the_words_and_is_done_when_they_were_heard(tmp_path):
    async def greet(session):
        handle = session.say("Good morning.")
        assert not handle.done()
        assert session.current_speech is None
        assert await handle is handle
        return handle, session.agent_state

    agent, session = Talker(greet), AgentSession()
    seen = watch(session)
    async with local() as here:
        room = caller(after(2, "hello"), answer_path=tmp_path / "answer.wav")
        await call(session, agent, room, here.model())
    handle, state = agent.result
    assert handle.done()
    assert not handle.interrupted
    assert handle.exception() is None
    assert state == "listening"
    assert heard_in(tmp_path / "answer.wav") == "Good morning. Hello! How can I help you?"
    [event] = seen.of("speech_created")
    assert (event.source, event.speech_handle, event.user_initiated) == ("say", handle, True)


@pytest.mark.virtual_time
async def test_speeches_are_said_one_after_the_other_and_none_is_lost(tmp_path):
    async def talk(session):
        session.say("One.")
        session.generate_reply(instructions="answer: Two.")
        session.say("Three.")
        await session.drain()
        return session.agent_state

    agent = Talker(talk)
    async with local() as here:
        room = caller(after(4, "hello"), answer_path=tmp_path / "answer.wav")
        await call(AgentSession(), agent, room, here.model())
    assert heard_in(tmp_path / "answer.wav") == "One. Two. Three. Hello! How can I help you?"
    assert agent.result == "listening"


@pytest.mark.virtual_time
async def test_generate_reply_takes_what_the_user_is_to_have_said_and_keeps_the_agents_instructions(tmp_path):
    async def ask(session):
        await session.generate_reply(user_input="who are you", tool_choice="none")
        await session.generate_reply(instructions="Be brief.")

    agent, session = Talker(ask, "You are at the desk."), AgentSession()
    async with local() as here:
        room = caller("thank you", answer_path=tmp_path / "answer.wav")
        await call(session, agent, room, here.model())
        first, second = (event.get("response", {}) for event in here.wire.sent("response.create"))
    assert first == {"tool_choice": "none"}
    assert second == {"instructions": "You are at the desk.\n\nBe brief."}
    assert "user: who are you" in [str(item) for item in session.history.messages()]


@pytest.mark.virtual_time
async def test_interrupt_stops_what_is_heard_and_what_waits_and_history_has_what_was_heard(tmp_path):
    async def talk(session):
        handles = (
            session.say("one two three four five six seven eight nine ten."),
            session.say("Never heard."),
        )
        spoken_to = asyncio.Event()
        session.on("agent_state_changed", lambda state: state == "speaking" and spoken_to.set())
        await spoken_to.wait()
        await asyncio.sleep(0.5)
        await session.interrupt()
        return handles, session.agent_state, [str(message) for message in session.history.messages()]

    agent, session = Talker(talk), AgentSession()
    async with local() as here:
        room = caller(after(4, "what did you say"), answer_path=tmp_path / "answer.wav")
        await call(session, agent, room, here.model())
        assert not here.wire.errors()
        assert len(here.wire.sent("conversation.item.truncate")) == 1
    handles, state, [said] = agent.result
    assert [(handle.done(), handle.interrupted) for handle in handles] == [(True, True)] * 2
    assert state == "listening"
    assert said.startswith("assistant: one two")
    assert said.endswith(" [interrupted]")
    words = said.removeprefix("assistant: ").removesuffix(" [interrupted]")
    heard = heard_in(tmp_path / "answer.wav")
    assert heard.startswith(words)
    assert f"You stopped me. I had said: {words}" in heard


@pytest.mark.virtual_time
async def test_a_barge_in_cuts_the_agent_where_it_was_heard(tmp_path):
    session = AgentSession()
    seen = watch(session)
    async with local(pace=Pace(delta_ms=100, speed=1.1)) as here:
        room = caller(
            "count to twenty",
            Question(spoken("where did you stop"), barge_in_after_ms=1000),
            answer_path=tmp_path / "answer.wav",
        )
        await call(session, Agent(instructions=""), room, here.model())
        assert not here.wire.errors()
    counted, _, _stopped = heard_in(tmp_path / "answer.wav").partition(" You stopped me after: ")
    messages = session.history.messages()
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert [message.interrupted for message in messages] == [False, True, False, False]
    assert counted.startswith(messages[1].text_content)
    assert len(counted) - len(messages[1].text_content) < 12
    states = seen.of("agent_state_changed")
    assert states[:4] == ["listening", "thinking", "speaking", "listening"]


@pytest.mark.virtual_time
async def test_a_speech_that_the_user_cuts_says_so(tmp_path):
    async def talk(session):
        return await session.say("one two three four five six seven eight nine ten eleven twelve thirteen.")

    agent = Talker(talk)
    async with local(pace=Pace(delta_ms=100, speed=1.1)) as here:
        room = caller("hello there agent can you hear me say something", answer_path=tmp_path / "answer.wav")
        session = AgentSession()
        await call(session, agent, room, here.model())
    assert agent.result.interrupted


@pytest.mark.virtual_time
async def test_a_session_that_does_not_run_says_so():
    session = AgentSession()
    for act in (
        lambda: session.say("Hello."),
        session.generate_reply,
        session.interrupt,
        lambda: session.update_agent(Agent(instructions="")),
    ):
        with pytest.raises(VoicepipeError, match="does not run"):
            act()
    for name in ("pipeline", "worker", "current_agent"):
        with pytest.raises(VoicepipeError, match="before it is started"):
            getattr(session, name)
    with pytest.raises(VoicepipeError, match="not started"):
        await session.wait_closed()
    with pytest.raises(SettingsError, match="room"):
        await session.start(agent=Agent(instructions=""))
    await session.aclose()


@pytest.mark.virtual_time
async def test_the_application_ends_turns_where_turn_detection_is_off(tmp_path):
    session = AgentSession()
    seen = watch(session)
    async with local() as here:
        room = caller("hello", answer_path=tmp_path / "answer.wav", answer_timeout_secs=3.0)

        class Ears(Agent):
            async def on_enter(self):
                await silence.wait()
                await self.session.commit_user_turn()

        silence = asyncio.Event()
        await session.start(agent=Ears(instructions=""), room=room, llm=here.model(turn_detection=None))
        await asyncio.sleep(spoken("hello").duration_ms / 1000 + 0.1)
        silence.set()
        await session.wait_closed()
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    assert seen.of("user_input_transcribed")[-1].text == "hello"


@each_engine
@pytest.mark.virtual_time
async def test_a_speech_that_allows_no_interruptions_is_said_to_its_end_whatever_the_user_says(
    tmp_path, name
):
    async def talk(session):
        words = "count to twenty"
        handle = await session.generate_reply(user_input=words, allow_interruptions=False)
        return handle.interrupted, handle.allow_interruptions

    agent, session = Talker(talk), AgentSession()
    async with engine(name, pace=Pace(delta_ms=100, speed=1.1)) as here:
        room = caller(
            "hello there agent can you hear me say something",
            after(8, "hello"),
            answer_path=tmp_path / "answer.wav",
            answer_timeout_secs=9,
        )
        await call(session, agent, room, here.model())
    assert agent.result == (False, False)
    heard = heard_in(tmp_path / "answer.wav")
    assert "eighteen, nineteen, twenty." in heard
    assert heard.endswith("Hello! How can I help you?")
    assert not [message for message in session.history.messages() if message.interrupted]


@pytest.mark.virtual_time
async def test_a_speech_that_allows_no_interruptions_is_stopped_by_force_alone(tmp_path):
    async def talk(session):
        handle = session.say("one two three four five six seven eight nine ten.", allow_interruptions=False)
        spoken_to = asyncio.Event()
        session.on("agent_state_changed", lambda state: state == "speaking" and spoken_to.set())
        await spoken_to.wait()
        for stop in (session.interrupt, handle.interrupt):
            with pytest.raises(VoicepipeError, match="does not allow interruptions"):
                await stop()
        assert not handle.done()
        await session.interrupt(force=True)
        return handle.interrupted

    agent = Talker(talk)
    async with local() as here:
        room = caller(after(4, "hello"), answer_path=tmp_path / "answer.wav")
        await call(AgentSession(), agent, room, here.model())
    assert agent.result is True


async def test_a_speech_that_cannot_be_asked_for_says_why_and_the_next_one_has_its_turn():
    second = asyncio.Event()

    async def perform(wish):
        if wish.text == "One.":
            raise ConnectionResetError("the line is gone")
        second.set()

    speeches = Speeches(Activity(), perform)
    handles = [SpeechHandle(Wish(text=text), None) for text in ("One.", "Two.")]
    for handle in handles:
        speeches.add(handle)
    speaking = asyncio.create_task(speeches.run())
    await handles[0]
    assert str(handles[0].exception()) == "nothing was said: ConnectionResetError: the line is gone"
    assert not handles[0].interrupted
    await second.wait()
    speaking.cancel()
    await asyncio.wait([speaking])
