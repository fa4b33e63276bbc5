"""Nothing a server sends ends a pipeline: it is counted, logged once, and the conversation goes on."""

from __future__ import annotations

import base64
import json

import pytest
from loguru import logger

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    item_done,
    line,
    response_created,
    response_done,
    speech_started,
    words_delta,
)
from tests.support.pipelines import Running
from tests.support.scripted_bot import conversation
from tests.support.scripted_server import ScriptedServer
from voicepipe.frames import LLMFullResponseEndFrame, LLMFullResponseStartFrame, TTSAudioRawFrame

BAD = {
    "malformed JSON": b'{"type": "response.created", "resp',
    "no JSON at all": b"<html>502 Bad Gateway</html>",
    "an empty message": b"",
    "JSON that is no object": b"[1, 2]",
    "no type": b"{}",
    "a type that is no text": b'{"type": 7}',
    "an unknown type": b'{"type": "response.telepathy"}',
    "missing fields": b'{"type": "response.output_audio.delta"}',
    "fields of another type": b'{"type": "response.created", "response": "resp_1"}',
    "an id that is a list": b'{"type": "response.created", "response": {"id": [], "conversation_id": "c"}}',
    "a transcript that is none": (
        b'{"type": "conversation.item.input_audio_transcription.completed", "item_id": "i", "transcript": []}'
    ),
    "null in the place of an object": b'{"type": "error", "error": null}',
    "sound that is no base64": line(
        "response.output_audio.delta", response_id="resp_0", item_id="i", delta="%%%"
    ),
    "bytes that are no UTF-8": b'{"type": "\xff"}',
    "deep nesting": b'{"type": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}


async def still_answers(bot: Running, server: ScriptedServer) -> None:
    await server.say(response_created("resp_ok"), audio_delta(100, "resp_ok"), response_done("resp_ok"))
    await bot.down.wait_for(LLMFullResponseEndFrame)
    assert not bot.ended.done()


@pytest.fixture
def logged():
    lines: list[str] = []
    number = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    yield lines
    logger.remove(number)


@pytest.mark.parametrize("message", BAD.values(), ids=BAD)
async def test_a_bad_message_is_counted_and_logged_once(message, logged):
    async with conversation() as (bot, server, llm):
        for _ in range(3):
            await server.say(message)
        await still_answers(bot, server)
        assert sum(llm.session.passed_over.values()) == 3
    assert len([one for one in logged if "passed over" in one]) == 1


async def test_binary_messages_are_read_as_the_text_they_are():
    async with conversation() as (bot, server, _):
        await server.say_binary(b"\x00\x01\x02")
        await server.say_binary(response_created("resp_ok"))
        await server.say(audio_delta(100, "resp_ok"), response_done("resp_ok"))
        await bot.down.wait_for(LLMFullResponseEndFrame)


async def test_events_out_of_order_twice_or_too_late_leave_one_clean_answer():
    delta, done = audio_delta(100), response_done()
    async with conversation() as (bot, server, _):
        await server.say(delta, item_done(), done)
        begun = response_created("resp_2")
        sound = audio_delta(100, "resp_2", "item_b2")
        await server.say(begun, begun, sound, sound, words_delta("Hi.", "resp_2", "item_b2"))
        end = response_done("resp_2")
        await server.say(end, end, audio_delta(100, "resp_2", "item_b2"), speech_started("item_u9"))
        await bot.down.wait_for(LLMFullResponseEndFrame)
    assert len(bot.down.of(LLMFullResponseStartFrame)) == 1
    assert len(bot.down.of(LLMFullResponseEndFrame)) == 1
    assert [len(frame.audio) for frame in bot.down.of(TTSAudioRawFrame)] == [4800]


async def test_a_message_of_15_mb_is_taken():
    sound = bytes(15 * 1024 * 1024 * 3 // 4)
    big = json.dumps(
        {
            "type": "response.output_audio.delta",
            "event_id": "big",
            "response_id": "resp_1",
            "item_id": "item_b1",
            "content_index": 0,
            "delta": base64.b64encode(sound).decode(),
        }
    ).encode()
    async with conversation() as (bot, server, _):
        await server.say(response_created(), big, response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
    [frame] = bot.down.of(TTSAudioRawFrame)
    assert len(frame.audio) == len(sound)
