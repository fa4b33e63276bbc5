"""The server: what an entrypoint is given, and how a job ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.agents.calls import caller, local
from tests.support.tones import heard_in
from voicepipe.agents import Agent, AgentServer, AgentSession, JobContext, rtc_session
from voicepipe.agents.session import AgentSession as SameSession
from voicepipe.errors import ConnectionRefused, SettingsError, VoicepipeError


@pytest.mark.virtual_time
async def test_an_entrypoint_gets_a_session_whose_room_is_set(tmp_path):
    server = AgentServer()
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    async with local() as here:

        @server.rtc_session
        async def entrypoint(session: AgentSession):
            assert session.room is room
            await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())

        [closed] = await server.serve(room)
    assert closed.reason == "participant_disconnected"
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_an_entrypoint_that_takes_a_context_makes_its_sessions_itself(tmp_path):
    server, over = AgentServer(), []
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    async with local() as here:

        @server.rtc_session(agent_name="anything")
        async def entrypoint(ctx: JobContext):
            await ctx.connect()

            async def callback():
                over.append(session.is_started)

            ctx.add_shutdown_callback(callback)
            session = AgentSession(llm=here.model())
            await session.start(Agent(instructions=""), room=ctx.room)

        [closed] = await server.serve(room)
    assert closed.reason == "participant_disconnected"
    assert over == [True]


async def test_a_shutdown_callback_that_fails_does_not_keep_the_next_from_being_called():
    server, called = AgentServer(), []

    @server.rtc_session
    async def entrypoint(ctx: JobContext):
        async def fails():
            raise ZeroDivisionError("no metrics today")

        async def callback():
            called.append("second")

        ctx.add_shutdown_callback(fails)
        ctx.add_shutdown_callback(callback)

    assert await server.serve(caller("hello")) == []
    assert called == ["second"]


@pytest.mark.virtual_time
async def test_what_an_entrypoint_raises_ends_its_sessions():
    server, sessions = AgentServer(), []
    async with local() as here:

        @server.rtc_session
        async def entrypoint(session):
            await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())
            raise RuntimeError("no database")

        with pytest.raises(RuntimeError, match="no database"):
            await server.serve(caller("hello"), on_session=sessions.append)
    [session] = sessions
    assert (await session.wait_closed()).reason == "job_shutdown"


@pytest.mark.virtual_time
async def test_a_job_that_is_cancelled_leaves_nothing_behind():
    server, started = AgentServer(), asyncio.Event()
    async with local() as here:

        @server.rtc_session
        async def entrypoint(session):
            await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())
            started.set()

        job = asyncio.create_task(server.serve(caller("hello")))
        await started.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job


@pytest.mark.virtual_time
async def test_a_context_shuts_its_sessions_down_when_all_was_said(tmp_path):
    server = AgentServer()
    async with local() as here:

        @server.rtc_session
        async def entrypoint(ctx):
            session = AgentSession(llm=here.model())
            await session.start(Agent(instructions=""), room=ctx.room)
            session.say("Goodbye.")
            ctx.shutdown()

        room = caller("hello", answer_path=tmp_path / "answer.wav", answer_timeout_secs=60)
        [closed] = await server.serve(room)
    assert closed.reason == "user_initiated"


@pytest.mark.virtual_time
async def test_a_server_without_an_entrypoint_and_one_with_two_say_so():
    server = AgentServer()
    with pytest.raises(SettingsError, match="no entrypoint"):
        await server.serve(caller("hello"))
    with pytest.raises(SettingsError, match="async function"):
        server.rtc_session(lambda session: None)

    async def entrypoint(session):
        pass

    assert server.rtc_session(entrypoint) is entrypoint
    with pytest.raises(SettingsError, match="another server"):
        server.rtc_session(entrypoint)
    assert isinstance(rtc_session(entrypoint), AgentServer)
    assert await rtc_session(entrypoint).serve(caller("hello")) == []
    assert SameSession is AgentSession


@pytest.mark.virtual_time
async def test_a_key_that_is_refused_ends_the_session_and_is_told():
    told = []
    async with local(api_key="right") as here, AgentSession(llm=here.model(api_key="wrong")) as session:
        session.on("error", lambda event: told.append((event.error.recoverable, str(event))))
        session.on("close", lambda event: told.append(event.reason))
        with suppress(VoicepipeError):
            # The server lets a socket in before it looks at the key, so it may be refused a moment later.
            await session.start(Agent(instructions=""), room=caller("hello"))
        closed = await session.wait_closed()
    assert "invalid_api_key" in str(closed.error)
    assert told[0][0] is False
    assert told[-1] == "error"
    assert "wrong" not in str(told)


@pytest.mark.virtual_time
async def test_a_server_that_is_not_there_is_raised_by_start():
    async with local() as here:
        model = here.model()
    session = AgentSession(llm=model)
    with pytest.raises(ConnectionRefused):
        await session.start(Agent(instructions=""), room=caller("hello"))
    assert (await session.wait_closed()).reason == "error"
