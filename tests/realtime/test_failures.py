"""What goes wrong on the wire: what leaves the conversation going, what ends the run, and that brackets are closed."""

from __future__ import annotations

import asyncio

import pytest

from tests.services.openai.realtime.wire_lines import audio_delta, error, response_created, response_done
from tests.support.pipelines import BRACKETS, running
from tests.support.scripted_bot import conversation
from voicepipe.frames import CancelFrame, EndFrame, ErrorFrame, LLMFullResponseEndFrame, TTSAudioRawFrame
from voicepipe.realtime.connection import Limits
from voicepipe.realtime.link import Reconnect
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService

pytestmark = pytest.mark.usefixtures("both_wires")


async def test_p15_an_error_event_that_is_not_fatal_leaves_the_conversation_going():
    async with conversation() as (bot, server, llm):
        await server.say(error("invalid_value", "evt_x", message="no such thing"))
        [problem] = await bot.up.wait_for(ErrorFrame)
        assert "no such thing" in problem.error
        await server.say(response_created(), audio_delta(20), response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
        assert llm.is_usable
        assert not bot.ended.done()


async def test_p15_a_fatal_error_ends_the_run_and_says_why():
    async with conversation() as (bot, server, _):
        await server.say(error("insufficient_quota", message="You have no credit."))
        async with asyncio.timeout(5):
            result = await bot.ended
    assert result.reason == "failed"
    assert "You have no credit." in result.detail


@pytest.mark.parametrize("how", ["vanish", "hang_up"])
async def test_brackets_are_closed_when_the_socket_drops_inside_an_answer(how):
    async with conversation(reconnect=Reconnect(tries=0)) as (bot, server, _):
        await server.say(response_created(), audio_delta(100))
        await bot.down.wait_for(TTSAudioRawFrame)
        await getattr(server, how)()
        async with asyncio.timeout(5):
            result = await bot.ended
    assert bot.down.names(*BRACKETS) == [
        "LLMFullResponseStartFrame",
        "TTSStartedFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]
    assert result.reason == "failed"
    assert "closed the connection" in result.detail


@pytest.mark.parametrize("frame", [EndFrame(), CancelFrame()])
async def test_brackets_are_closed_when_the_pipeline_ends_inside_an_answer(frame):
    async with conversation() as (bot, server, _):
        await server.say(response_created(), audio_delta(100))
        await bot.down.wait_for(TTSAudioRawFrame)
        await bot.worker.queue_frame(frame)
        async with asyncio.timeout(5):
            await bot.ended
    assert bot.down.names(*BRACKETS)[-2:] == ["TTSStoppedFrame", "LLMFullResponseEndFrame"]


async def test_a_server_that_is_not_there_ends_the_run_and_says_where_it_was_looked_for():
    llm = OpenAIRealtimeLLMService(api_key="secret-key", base_url="ws://127.0.0.1:9/v1/realtime")
    async with running(llm) as bot, asyncio.timeout(5):
        result = await bot.ended
    assert result.reason == "failed"
    assert "ws://127.0.0.1:9/v1/realtime" in result.detail
    assert "secret-key" not in result.detail


async def test_a_server_that_does_not_answer_the_handshake_is_given_up():
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    llm = OpenAIRealtimeLLMService(
        api_key="k", base_url=f"ws://127.0.0.1:{port}/v1/realtime", limits=Limits(connect_secs=0.05)
    )
    async with silent:
        async with running(llm) as bot, asyncio.timeout(5):
            result = await bot.ended
        for writer in writers:
            writer.close()
            await writer.wait_closed()
    assert "did not answer within 0.05 s" in result.detail
