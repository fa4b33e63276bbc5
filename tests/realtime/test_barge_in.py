"""A caller who interrupts: one interruption, the position that was heard, and brackets that are closed."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    item_done,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
)
from tests.support.pipelines import BRACKETS, Recorder, Running
from tests.support.scripted_bot import conversation
from voicepipe.frames import (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    PlaybackMarkFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

pytestmark = pytest.mark.usefixtures("both_wires")


async def far_end_played(bot: Running, ms: float, response_id: str = "resp_1") -> None:
    """Tell the service how far a response has been played at this moment."""
    now_ms = asyncio.get_running_loop().time() * 1000
    await bot.worker.queue_frame(PlaybackMarkFrame(context_id=response_id, played_ms=ms, at_ms=now_ms))
    await bot.down.wait_for(PlaybackMarkFrame)


async def test_one_interruption_and_brackets_closed_after_it():
    async with conversation() as (bot, server, _):
        await server.say(response_created(), audio_delta(2000))
        await bot.down.wait_for(TTSAudioRawFrame)
        await far_end_played(bot, 800)
        await server.say(speech_started())
        truncate = await server.expect("conversation.item.truncate")
        await server.say(audio_delta(100), response_done(status="cancelled"), speech_stopped())
        await bot.down.wait_for(UserStoppedSpeakingFrame)
    assert truncate["item_id"] == "item_b1"
    assert 800 <= truncate["audio_end_ms"] < 2000
    assert bot.down.names(UserStartedSpeakingFrame, InterruptionFrame, TTSAudioRawFrame, *BRACKETS) == [
        "LLMFullResponseStartFrame",
        "TTSStartedFrame",
        "TTSAudioRawFrame",
        "UserStartedSpeakingFrame",
        "InterruptionFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]
    assert bot.up.names(UserStartedSpeakingFrame, InterruptionFrame) == [
        "UserStartedSpeakingFrame",
        "InterruptionFrame",
    ]


async def test_the_position_is_what_the_far_end_reported():
    async with conversation() as (bot, server, _):
        await server.say(response_created(), audio_delta(2000), item_done(), response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
        await far_end_played(bot, 1500)
        await server.say(speech_started())
        truncate = await server.expect("conversation.item.truncate")
    assert 1500 <= truncate["audio_end_ms"] < 2000


async def test_an_interruption_from_the_pipeline_cancels_the_response():
    async with conversation() as (bot, server, _):
        await server.say(response_created(), audio_delta(2000))
        await bot.down.wait_for(TTSAudioRawFrame)
        await far_end_played(bot, 800)
        await bot.worker.queue_frame(InterruptionFrame())
        await server.expect("response.cancel")
        await server.expect("conversation.item.truncate")
        await server.say(response_done(status="cancelled"))
        await bot.down.wait_for(LLMFullResponseEndFrame)
    assert bot.down.names(InterruptionFrame, *BRACKETS)[-3:] == [
        "InterruptionFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]


async def test_with_an_aggregator_it_decides_and_there_is_still_one_interruption():
    pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hello"}]))
    after = Recorder(keep=FrameDirection.DOWNSTREAM)
    async with conversation(around=lambda llm: [pair.user(), llm, after, pair.assistant()]) as (
        bot,
        server,
        _,
    ):
        await server.say(response_created(), audio_delta(2000))
        await after.wait_for(TTSAudioRawFrame)
        await far_end_played(bot, 800)
        await server.say(speech_started())
        truncate = await server.expect("conversation.item.truncate")
        await after.wait_for(LLMFullResponseEndFrame)
    assert 800 <= truncate["audio_end_ms"] < 2000
    assert after.names(UserStartedSpeakingFrame, InterruptionFrame) == [
        "UserStartedSpeakingFrame",
        "InterruptionFrame",
    ]
