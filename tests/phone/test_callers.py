"""Callers who hang up, and lines that break, in the midst of an answer."""

from __future__ import annotations

import pytest

from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.local.carriers import Mishaps
from voicepipe.phone import OpenAIRealtime

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_hangs_up_in_an_answer_ends_the_call(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        engine = OpenAIRealtime(api_key="k", base_url=server.url)
        async with phone.serving(phone.agent(engine=engine), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("count to twenty"))
                await call.until_played(700)
                [running] = phone.calls
                await call.hang_up()
            result = await running.result()
            assert not phone.calls
    assert call.ended_by == "caller"
    assert (result.outcome, result.reason) == ("answered", "the caller hung up")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_line_that_breaks_ends_the_call(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        engine = OpenAIRealtime(api_key="k", base_url=server.url)
        async with phone.serving(phone.agent(engine=engine), port=0) as door:
            mishaps = Mishaps(cut_off_after_ms=1500)
            async with await far.call(door.local_url, mishaps=mishaps) as call:
                [running] = phone.calls
                await call.until_ended()
            await running.result()
            assert not phone.calls
    assert call.ended_by == "nobody"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_of_a_bot_that_hangs_up_the_carrier_knows_that_it_did(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        engine = OpenAIRealtime(api_key="k", base_url=server.url)
        async with phone.serving(phone.agent(engine=engine), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
                await running.hang_up()
                await call.until_ended()
            await running.result()
    assert call.ended_by == "bot"
