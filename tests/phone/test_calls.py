"""Whole calls: webhook, media stream, engine, the local API, and back, on each carrier's wire."""

from __future__ import annotations

import pytest

from tests.support.phones import CALLER, CARRIERS, NUMBER, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.phone import CallHooks, OpenAIRealtime

pytestmark = pytest.mark.virtual_time


def engine(server, **kwargs):
    return OpenAIRealtime(api_key="k", base_url=server.url, **kwargs)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("audio", ["pcm", "g711"])
async def test_a_call_is_answered_greeted_and_talked_with(carrier, audio):
    told = []
    hooks = CallHooks(
        on_call_start=lambda call: told.append("start"),
        on_transcript=lambda call, turn: told.append((turn.role, turn.text)),
        on_call_end=lambda call, result: told.append(result),
    )
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(
            engine=engine(server, audio=audio),
            system_prompt="Be {mood}.",
            first_message="Hello {name}!",
            variables={"mood": "kind", "name": "Ada"},
            hooks=hooks,
        )
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.until_answered()
                [running] = phone.calls
                assert (running.caller, running.callee) == (CALLER, NUMBER)
                await call.say(spoken("hello"))
                await call.until_answered()
            result = await running.result()
    assert heard(call.heard) == "Hello Ada! Hello! How can I help you?"
    assert call.refusals == []
    assert result.outcome == "answered"
    assert result.reason == "the caller hung up"
    assert told[0] == "start"
    assert told[1:-1] == [
        ("assistant", "Hello Ada!"),
        ("user", "hello"),
        ("assistant", "Hello! How can I help you?"),
    ]
    assert told[-1] is result
    assert not door.refusals
