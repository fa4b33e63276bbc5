"""One service in several pipelines: one after the other begin anew, at the same time it cannot be."""

from __future__ import annotations

import asyncio

import pytest

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    line,
    response_created,
    response_done,
    updated,
    words_delta,
)
from tests.support.pipelines import BRACKETS, Running, running
from tests.support.scripted_bot import conversation
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import service
from voicepipe.frames import CancelFrame, EndFrame, LLMFullResponseEndFrame, StopFrame, TTSAudioRawFrame
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties

pytestmark = pytest.mark.usefixtures("both_wires")

WHOLE = [frame.__name__ for frame in BRACKETS]


async def answer(server: ScriptedServer, bot: Running, n: int) -> dict[str, object]:
    """Open a session, have the bot say something in it, and return the first settings."""
    await server.next_connection()
    await server.say(created())
    first = await server.expect("session.update")
    words = line(
        "conversation.item.input_audio_transcription.completed", item_id=f"item_u{n}", transcript="My secret."
    )
    ids = (f"resp_{n}", f"item_b{n}")
    await server.say(updated(), words, response_created(ids[0]), audio_delta(20, *ids))
    await server.say(words_delta("Noted.", *ids), response_done(ids[0]))
    await bot.down.wait_for(LLMFullResponseEndFrame)
    assert bot.down.names(*BRACKETS) == WHOLE
    return first


@pytest.mark.parametrize("last", [EndFrame, StopFrame])
async def test_the_next_pipeline_has_a_conversation_of_its_own(last):
    async with ScriptedServer() as server:
        llm = service(SessionProperties(instructions="Be brief."), api_key="k", base_url=server.url)
        async with running(llm) as bot:
            first = await answer(server, bot, 1)
            await bot.worker.queue_frame(last())
            async with asyncio.timeout(5):
                await bot.ended
        async with running(llm) as bot:
            second = await answer(server, bot, 2)
            assert [entry.item_id for entry in llm.session.history.entries()] == ["item_u2", "item_b2"]
    assert first == second
    assert [event["type"] for event in server.received] == ["session.update"] * 2


async def test_a_pipeline_at_the_same_time_is_refused_with_a_reason():
    async with ScriptedServer() as server:
        llm = OpenAIRealtimeLLMService(api_key="k", base_url=server.url)
        first = asyncio.create_task(run(Pipeline([llm]), handle_signals=False))
        await server.next_connection()
        async with asyncio.timeout(5):
            result = await run(Pipeline([llm]), handle_signals=False)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert result.reason == "failed"
    assert "is in another pipeline, which has not ended; make one for each call" in result.detail


async def test_after_a_cancelled_one_there_is_none():
    async with conversation() as (bot, _server, llm):
        await bot.worker.queue_frame(CancelFrame())
        async with asyncio.timeout(5):
            await bot.ended
            result = await run(Pipeline([llm]), handle_signals=False)
    assert result.reason == "failed"
    assert "in another pipeline, which was cancelled; make one for each call" in result.detail


async def test_brackets_are_closed_before_a_stop_frame_goes_on():
    async with conversation() as (bot, server, _):
        await server.say(response_created(), audio_delta(100))
        await bot.down.wait_for(TTSAudioRawFrame)
        await bot.worker.queue_frame(StopFrame())
        async with asyncio.timeout(5):
            await bot.ended
    assert bot.down.names(*BRACKETS, StopFrame) == [*WHOLE, "StopFrame"]
