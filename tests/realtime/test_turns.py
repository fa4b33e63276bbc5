"""A turn of the caller's and its answer: the sound that goes to the wire, the frames that come of what the server says."""

from __future__ import annotations

import base64

import pytest
from pipecat.metrics.metrics import LLMUsageMetricsData, TTFBMetricsData

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
from tests.support.pipelines import BRACKETS
from tests.support.scripted_bot import conversation, sound
from tests.support.wires import wire
from voicepipe.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.services.openai.realtime import AudioConfiguration, AudioInput, SessionProperties

pytestmark = pytest.mark.usefixtures("both_wires")


async def test_frames_of_a_spoken_turn_come_in_the_promised_order():
    async with conversation() as (bot, server, _):
        await server.say(speech_started(), speech_stopped(), response_created(), words_delta("Hi."))
        await server.say(audio_delta(100), audio_delta(100), item_done(), response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
    turn = (
        UserStartedSpeakingFrame,
        InterruptionFrame,
        UserStoppedSpeakingFrame,
        LLMTextFrame,
        TTSAudioRawFrame,
    )
    assert bot.down.names(*turn, *BRACKETS) == [
        "UserStartedSpeakingFrame",
        "InterruptionFrame",
        "UserStoppedSpeakingFrame",
        "LLMFullResponseStartFrame",
        "LLMTextFrame",
        "TTSStartedFrame",
        "TTSAudioRawFrame",
        "TTSAudioRawFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]
    [first, _] = bot.down.of(TTSAudioRawFrame)
    assert (len(first.audio), first.sample_rate, first.num_channels) == (4800, 24000, 1)
    assert first.context_id == "resp_1"


async def test_transcripts_go_upstream():
    async with conversation() as (bot, server, _):
        ids = {"item_id": "item_u1", "content_index": 0}
        await server.say(line("conversation.item.input_audio_transcription.delta", **ids, delta="Hel"))
        await server.say(
            line("conversation.item.input_audio_transcription.completed", **ids, transcript="Hello.")
        )
        [final] = await bot.up.wait_for(TranscriptionFrame)
    [interim] = bot.up.of(InterimTranscriptionFrame)
    assert (interim.text, final.text) == ("Hel", "Hello.")
    assert len(bot.down.of(TranscriptionFrame)) == {"ga": 0, "beta": 1}[wire()]


async def test_sound_reaches_the_wire_at_the_rate_it_takes():
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(sound(20))
        append = await server.expect("input_audio_buffer.append")
        assert len(base64.b64decode(append["audio"])) == 960
        for _ in range(10):
            await bot.worker.queue_frame(sound(20, rate=8000))
        total = 0
        while total < 9 * 960:
            total += len(base64.b64decode((await server.expect("input_audio_buffer.append"))["audio"]))


async def test_sound_with_two_channels_is_one_clear_error():
    async with conversation() as (bot, server, _):
        for _ in range(3):
            await bot.worker.queue_frame(sound(20, channels=2))
        await bot.worker.queue_frame(sound(20))
        await server.expect("input_audio_buffer.append")
    [problem] = bot.up.of(ErrorFrame)
    assert "num_channels" in problem.error
    assert "2" in problem.error


async def test_paused_sound_is_held_off():
    async with conversation() as (bot, server, llm):
        llm.set_audio_input_paused(True)
        await bot.worker.queue_frame(sound(20))
        await bot.down.wait_for(InputAudioRawFrame)
        llm.set_audio_input_paused(False)
        await bot.worker.queue_frame(sound(40))
        append = await server.expect("input_audio_buffer.append")
        assert len(base64.b64decode(append["audio"])) == 1920


async def test_token_usage_is_a_metric():
    usage = {
        "total_tokens": 9,
        "input_tokens": 5,
        "output_tokens": 4,
        "input_token_details": {"cached_tokens": 2},
    }
    async with conversation() as (bot, server, _):
        await server.say(response_created(), response_done(usage=usage))
        await bot.down.wait_for(LLMFullResponseEndFrame)
    data = [
        d for frame in bot.down.of(MetricsFrame) for d in frame.data if isinstance(d, LLMUsageMetricsData)
    ]
    [tokens] = [d.value for d in data if d.value.total_tokens]
    assert (tokens.prompt_tokens, tokens.completion_tokens, tokens.cache_read_input_tokens) == (5, 4, 2)


async def test_turns_of_the_pipeline_are_committed_and_answered():
    off = SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=False)))
    async with conversation(off) as (bot, server, _):
        await bot.worker.queue_frame(sound(200))
        await server.expect("input_audio_buffer.append")
        await bot.worker.queue_frame(UserStoppedSpeakingFrame())
        await server.expect("input_audio_buffer.commit")
        await server.expect("response.create")


async def test_a_turn_whose_end_was_never_told_is_closed_before_the_next_one():
    async with conversation() as (bot, server, _):
        await server.say(speech_started("item_u1"), speech_started("item_u2"), speech_stopped("item_u2"))
        await bot.down.wait_for(UserStoppedSpeakingFrame, count=2)
        names = bot.down.names(UserStartedSpeakingFrame, UserStoppedSpeakingFrame)
    assert names == ["UserStartedSpeakingFrame", "UserStoppedSpeakingFrame"] * 2


async def test_the_end_of_a_turn_that_was_never_begun_is_no_news():
    async with conversation() as (bot, server, _):
        await server.say(speech_stopped("item_u1"), speech_started("item_u2"), speech_stopped("item_u2"))
        await bot.down.wait_for(UserStoppedSpeakingFrame)
        names = bot.down.names(UserStartedSpeakingFrame, UserStoppedSpeakingFrame)
    assert names == ["UserStartedSpeakingFrame", "UserStoppedSpeakingFrame"]


async def test_sound_that_is_judged_may_come_in_pieces_of_any_length():
    policy = Interruptions(min_speech_ms=200)
    async with conversation(interruptions=policy) as (bot, server, _):
        await server.say(response_created(), audio_delta(5000))
        await bot.down.wait_for(TTSAudioRawFrame)
        await server.say(speech_started(), line("rate_limits.updated", rate_limits=[]))
        await server.say(words_delta("Well"))
        await bot.down.wait_for(LLMTextFrame)
        loud = b"\x10\x20" * 6000
        pieces = [loud[at : at + 481] for at in range(0, len(loud), 481)]
        for piece in pieces:
            await bot.worker.queue_frame(InputAudioRawFrame(piece, 24000, 1))
        await bot.down.wait_for(InterruptionFrame)
        await server.say(speech_stopped())
        await bot.down.wait_for(UserStoppedSpeakingFrame)
    heard = [base64.b64decode(one["audio"]) for one in server.received if "audio" in one]
    assert b"".join(heard) == loud
    assert not bot.up.of(ErrorFrame)


async def test_sound_at_an_impossible_rate_is_said_once():
    async with conversation() as (bot, server, _):
        for _ in range(3):
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(960), 500, 1))
        await bot.worker.queue_frame(sound(20))
        await server.expect("input_audio_buffer.append")
        [problem] = bot.up.of(ErrorFrame)
    assert problem.error == "in_rate: 500 is not a whole number of hertz from 1000 to 192000"


async def test_the_time_to_the_first_word_is_measured_where_answers_are_text():
    async with conversation(SessionProperties(output_modalities=["text"])) as (bot, server, _):
        delta = line("response.output_text.delta", response_id="resp_1", item_id="item_b1", delta="Hello")
        await server.say(speech_started(), speech_stopped(), response_created(), delta, delta)
        await server.say(response_done())
        await bot.down.wait_for(LLMFullResponseEndFrame)
    told = [data for frame in bot.down.of(MetricsFrame) for data in frame.data]
    assert len([data for data in told if isinstance(data, TTFBMetricsData) and data.value > 0]) == 1
