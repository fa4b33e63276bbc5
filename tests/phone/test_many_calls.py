"""Many calls in one process (P-9, P-10, P-11), up to the number that a phone takes on, and one more."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from base64 import b64decode

import pytest

from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.local import Pace
from voicepipe.local.carriers import Mishaps
from voicepipe.phone import OpenAIRealtime, PhoneLimits
from voicepipe.phone.conversation import Conversation
from voicepipe.pipeline import PipelineWorker

CALLS = PhoneLimits().calls


@pytest.mark.virtual_time
async def test_p10_calls_up_to_the_limit_hear_every_word_and_the_next_one_the_busy_tone():
    async with tone_server(max_sessions=CALLS) as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:

            async def one() -> str:
                async with await far.call(door.local_url) as call:
                    await call.say(spoken("hello"))
                    await call.until_answered()
                    await everybody_talks.wait()
                # P-9: a gap within the words would not be read as these words.
                return heard(call.heard)

            everybody_talks = asyncio.Barrier(CALLS + 1)
            callers = [asyncio.create_task(one()) for _ in range(CALLS)]
            await everybody_talks.wait()
            assert len(phone.calls) == CALLS
            url = f"{door.local_url}/twilio/voice"
            _, markup = await far.tell(url, far.ringing(far.new_id()))
            words = await asyncio.gather(*callers)
            results = await asyncio.gather(*(running.result() for running in phone.calls))
    assert '<Reject reason="busy"' in markup
    assert words == ["Hello! How can I help you?"] * CALLS
    assert all(result.outcome == "answered" for result in results)
    # P-11: conftest fails the test if a task or a thread is left.
    assert not phone.calls


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("audio", ["pcm", "g711"])
async def test_p9_what_the_api_says_is_on_the_line_in_the_same_moment(carrier, audio):
    """On the virtual clock nothing takes time but sleeping, so whoever paces by it is seen."""
    deltas, media = [], []

    def note(way, event):
        if event["type"] == "response.output_audio.delta":
            deltas.append(asyncio.get_running_loop().time() * 1000)

    def on_message(way, message, at_ms):
        event = json.loads(message)
        if way == "in" and event["event"] in ("media", "playAudio"):
            media.append((at_ms, len(b64decode(event["media"]["payload"])) / 8))

    pace = Pace(delta_ms=130, speed=1.3)
    async with tone_server(pace=pace, on_event=note) as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url, audio=audio))
        async with (
            phone.serving(agent, port=0) as door,
            await far.call(door.local_url, on_message=on_message) as call,
        ):
            await call.say(spoken("count to twenty"))
            await call.until_answered()
    assert len(deltas) > 15
    late_ms = [min(abs(at_ms - came_ms) for came_ms in deltas) for at_ms, _ in media]
    # The last piece is what a filter still holds when the answer ends.
    assert max(late_ms[:-1]) <= 1
    assert sum(ms for _, ms in media) == pytest.approx(call.played_ms, abs=1)


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p11_after_calls_nothing_of_them_is_left(carrier):
    """Ended by the caller in mid-word, by the bot, and by a stream that breaks off."""
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:

            async def call_of(end: str) -> None:
                mishaps = Mishaps(cut_off_after_ms=1500) if end == "broken" else None
                async with await far.call(door.local_url, mishaps=mishaps) as call:
                    [running] = phone.calls
                    await call.say(spoken("count to twenty"))
                    if end == "bot":
                        await running.hang_up()
                    if end in ("bot", "broken"):
                        await call.until_ended()
                await running.result()
                await running.close()

            await call_of("caller")
            tasks, files = len(asyncio.all_tasks()), open_files()
            for end in ("caller", "bot", "broken", "caller"):
                await call_of(end)
            gc.collect()
            alive = [one for one in gc.get_objects() if isinstance(one, PipelineWorker | Conversation)]
            assert not alive
            assert len(asyncio.all_tasks()) <= tasks
            assert open_files() <= files


def open_files() -> int:
    """How many files and sockets this process holds."""
    return len(os.listdir("/proc/self/fd"))
