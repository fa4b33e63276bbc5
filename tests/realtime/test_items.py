"""The conversation's items: what a context puts into it, and what is told of those that are there."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection

from tests.services.openai.realtime.wire_lines import (
    error,
    item_added,
    item_done,
    line,
    response_created,
    response_done,
)
from tests.support.pipelines import Recorder
from tests.support.scripted_bot import conversation
from voicepipe.errors import VoicepipeError
from voicepipe.frames import (
    EndFrame,
    ErrorFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    LLMUpdateSettingsFrame,
    UserImageRawFrame,
)
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService

pytestmark = pytest.mark.usefixtures("both_wires")


async def test_a_context_is_put_into_the_conversation_once_and_answered():
    context = LLMContext([{"role": "user", "content": "Tell me a joke."}])
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(LLMContextFrame(context))
        item = await server.expect("conversation.item.create")
        assert item["item"]["content"] == [{"type": "input_text", "text": "Tell me a joke."}]
        await server.expect("response.create")


async def test_llm_run_frame_starts_the_bot_through_an_aggregator():
    pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "hello"}]))
    async with conversation(around=lambda llm: [pair.user(), llm, pair.assistant()]) as (bot, server, _):
        await bot.worker.queue_frame(LLMRunFrame())
        await server.expect("conversation.item.create")
        await server.expect("response.create")


async def test_items_are_announced_to_handlers():
    seen: list[tuple[str, str, bool]] = []

    def prepare(llm: OpenAIRealtimeLLMService) -> None:
        @llm.event_handler("on_conversation_item_created")
        async def on_created(service, item_id, item):
            seen.append(("created", item_id, item is not None))

        @llm.event_handler("on_conversation_item_updated")
        async def on_updated(service, item_id, item):
            seen.append(("updated", item_id, item is not None))

    async with conversation(prepare=prepare) as (bot, server, _):
        await server.say(response_created(), item_added("item_1"), item_done("item_1"))
        await server.say(line("conversation.item.truncated", item_id="item_1"), response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
    assert sorted(seen) == [
        ("created", "item_1", True),
        ("updated", "item_1", False),
        ("updated", "item_1", True),
    ]


async def test_an_item_is_retrieved_once_for_all_who_ask():
    async with conversation() as (_, server, llm):
        asking = [asyncio.create_task(llm.retrieve_conversation_item("item_1")) for _ in range(2)]
        await server.expect("conversation.item.retrieve")
        await server.say(line("conversation.item.retrieved", item={"id": "item_1"}))
        assert await asyncio.gather(*asking) == [{"id": "item_1"}] * 2
    assert [event["type"] for event in server.received].count("conversation.item.retrieve") == 1


async def test_an_item_that_does_not_exist_is_an_error_that_says_so():
    async with conversation() as (_, server, llm):
        asking = asyncio.create_task(llm.retrieve_conversation_item("item_9"))
        ask = await server.expect("conversation.item.retrieve")
        await server.say(error("item_retrieve_invalid_item_id", ask["event_id"], message="no such item"))
        with pytest.raises(VoicepipeError, match="item_9: no such item"):
            await asking


async def test_who_asks_after_the_end_is_told_so():
    async with conversation() as (bot, server, llm):
        await bot.worker.queue_frame(EndFrame())
        await bot.ended
        with pytest.raises(VoicepipeError, match="no connection any more"):
            await llm.retrieve_conversation_item("item_1")
        with pytest.raises(VoicepipeError, match="no connection any more"):
            await llm.create_response(conversation="none")
    assert "conversation.item.retrieve" not in [event["type"] for event in server.received]


async def test_an_image_for_the_context_is_shown_once_and_answered_once():
    pair = LLMContextAggregatorPair(LLMContext())
    before, after = Recorder(keep=FrameDirection.UPSTREAM), Recorder(keep=FrameDirection.DOWNSTREAM)
    image = UserImageRawFrame(bytes(12), (2, 2), "RGB", text="What is it?", append_to_context=True)
    async with conversation(around=lambda llm: [pair.user(), before, llm, after, pair.assistant()]) as (
        bot,
        server,
        _,
    ):
        await bot.worker.queue_frame(image)
        await server.expect("response.create")
        await before.wait_for(LLMContextFrame)
        await server.say(response_created(), response_done())
        await after.wait_for(LLMFullResponseEndFrame)
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "A"}))
        await server.expect("session.update")
    told = [event["type"] for event in server.received]
    assert told.count("response.create") == 1
    assert told.count("conversation.item.create") == 1


async def test_the_images_of_a_context_are_shown_before_their_words():
    shown = LLMContext.create_image_url_message(url="data:image/png;base64,AA==", text="What is it?")
    elsewhere = LLMContext.create_image_url_message(url="https://x.test/a.png", text="And this?")
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(LLMContextFrame(LLMContext([shown, elsewhere])))
        await server.expect("response.create")
        [problem] = await bot.up.wait_for(ErrorFrame)
    parts = [event["item"]["content"][0] for event in server.received if "item" in event]
    assert [part.get("text") or part["image_url"] for part in parts] == [
        "data:image/png;base64,AA==",
        "What is it?",
        "And this?",
    ]
    assert "image_url: is a data URI" in problem.error


async def test_a_conversation_that_is_reset_twice_at_once_has_one_connection():
    async with conversation() as (_, server, llm):
        before = asyncio.all_tasks()
        resets = [asyncio.create_task(llm.reset_conversation()) for _ in range(2)]
        for _ in range(2):
            await server.next_connection()
        await asyncio.gather(*resets)
        after = asyncio.all_tasks()
        assert len([task for task in after if task.get_name().startswith("read ")]) == 1
        assert len([task for task in before if task.get_name().startswith("read ")]) == 1


async def test_after_the_end_nothing_is_reset():
    async with conversation() as (bot, _server, llm):
        await bot.worker.queue_frame(EndFrame())
        await bot.ended
        with pytest.raises(VoicepipeError, match="in no pipeline that runs"):
            await llm.reset_conversation()
