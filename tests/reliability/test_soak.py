"""A short version of `make soak`: the same calls, fewer of them, on a clock that jumps."""

from __future__ import annotations

import pytest

from tests.reliability.soak import load
from tests.support.calls import answering, service
from tests.support.tones import tone_server
from voicepipe.local.carriers import LocalCall


@pytest.mark.virtual_time
async def test_many_calls_leave_nothing_behind():
    done = await load(at_once=12, secs=10, short=12)
    assert done.problems() == []
    assert done.calls == 24
    assert done.answers >= 36
    assert done.slowest_ms < 1500


@pytest.mark.virtual_time
async def test_a_call_more_than_the_service_takes_ends_with_the_reason_and_the_others_go_on():
    async with (
        tone_server(max_sessions=1) as server,
        answering(lambda: service(server)) as phone,
        LocalCall(phone.url, "twilio") as first,
        LocalCall(phone.url, "telnyx"),
    ):
        refused = (await phone.ended()).result
        assert not first.has_ended
    assert refused is not None
    assert refused.reason == "failed"
    assert "503" in refused.detail
