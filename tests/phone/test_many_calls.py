"""Many calls in one process (P-9, P-10, P-11), up to the number that a phone takes on, and one more."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.phones import FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.phone import OpenAIRealtime, PhoneLimits

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
