"""A phone's calls in the records of `voicepipe.telemetry`: one observer of frames for each call."""

from __future__ import annotations

import pytest

from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.phone import OpenAIRealtime
from voicepipe.telemetry import CallMeter, CallNotes, CallObserver


@pytest.mark.virtual_time
async def test_each_call_has_its_turns_and_its_tokens():
    kept: dict[str, tuple[CallNotes, CallMeter]] = {}

    def observers(call):
        notes, meter = kept.setdefault(call.id, (CallNotes(), CallMeter()))
        return [CallObserver(notes, meter)]

    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(pipeline_observers=observers)
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            for question in ("hello", "count to three"):
                async with await far.call(door.local_url) as call:
                    await call.say(spoken(question))
                    await call.until_answered()
                    [running] = phone.calls
                await running.result()
    turns = [notes.turns for notes, _ in kept.values()]
    assert [[turn.user_text for turn in call] for call in turns] == [["hello"], ["count to three"]]
    assert turns[0][0].bot_text == "Hello! How can I help you?"
    assert all(turn.heard_ms == pytest.approx(turn.said_ms, abs=40) for call in turns for turn in call)
    assert all(notes.last_account is not None for notes, _ in kept.values())
