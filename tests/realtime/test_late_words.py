"""Transcripts that come late: the user's words stand before the answer to them all the same (promise P-16)."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    item_done,
    line,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    words_delta,
)
from tests.support.pipelines import Running
from tests.support.scripted_bot import conversation
from tests.support.scripted_server import ScriptedServer
from voicepipe.frames import (
    LLMContextAssistantTurnFrame,
    LLMContextUserTurnFrame,
    PlaybackMarkFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)

TRANSCRIBED = SessionProperties(
    audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
)


def added(item_id: str, role: str, after: str | None) -> bytes:
    item = {"id": item_id, "type": "message", "role": role, "content": []}
    return line("conversation.item.added", item=item, previous_item_id=after)


def transcribed(item_id: str, text: str) -> bytes:
    type_ = "conversation.item.input_audio_transcription.completed"
    return line(type_, item_id=item_id, content_index=0, transcript=text)


async def turn(bot: Running, server: ScriptedServer, n: int, answer: str) -> None:
    """A spoken turn with its answer, heard to its end, and no transcript."""
    user, said, response = f"item_u{n}", f"item_b{n}", f"resp_{n}"
    await server.say(speech_started(user), speech_stopped(user))
    await bot.down.wait_for(UserStoppedSpeakingFrame, count=n)
    await server.say(
        added(user, "user", None if n == 1 else f"item_b{n - 1}"),
        response_created(response),
        added(said, "assistant", user),
        words_delta(answer, response, said),
        audio_delta(100, response, said),
        item_done(said),
        response_done(response),
    )
    await bot.up.wait_for(LLMContextAssistantTurnFrame, count=n)
    now_ms = asyncio.get_running_loop().time() * 1000
    await bot.worker.queue_frame(PlaybackMarkFrame(context_id=response, played_ms=100, at_ms=now_ms))
    await bot.down.wait_for(PlaybackMarkFrame, count=n)


@pytest.mark.parametrize("late", [False, True])
async def test_p16_in_the_context_and_in_what_a_new_connection_is_told(late):
    context = LLMContext()
    pair = LLMContextAggregatorPair(context)
    around = {"around": lambda llm: [pair.user(), llm, pair.assistant()]}
    async with conversation(TRANSCRIBED, **around) as (bot, server, llm):
        if not late:
            await server.say(transcribed("item_u1", "One?"))
        await turn(bot, server, 1, "First.")
        if late:
            await server.say(transcribed("item_u1", "One?"))
        await turn(bot, server, 2, "Second.")
        await server.say(transcribed("item_u2", "Two?"))
        # The words are written down when the next answer begins.
        await turn(bot, server, 3, "Third.")
        await server.say(transcribed("item_u3", "Three?"))
        await server.say(response_created("resp_4"), response_done("resp_4"))
        await bot.up.wait_for(LLMContextUserTurnFrame, where=lambda frame: "Three?" in frame.text)
        entries = [(entry.role, entry.text) for entry in llm.session.history.entries()]
    expected = [
        ("user", "One?"),
        ("assistant", "First."),
        ("user", "Two?"),
        ("assistant", "Second."),
        ("user", "Three?"),
        ("assistant", "Third."),
    ]
    assert entries == expected
    assert [(m["role"], m["content"]) for m in context.get_messages()] == expected
