"""The example of a phone answers a call as it stands."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path

import pytest

from tests.support.phones import PERSON, SECRET, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.phone import OpenAIRealtime, Phone, Twilio

EXAMPLE = Path(__file__).parents[2] / "examples" / "phone.py"


@pytest.mark.virtual_time
async def test_the_example_looks_up_an_order(monkeypatch, capsys):
    async with tone_server() as server, FakeCarrier("twilio") as far:
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", SECRET)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_REALTIME_URL", server.url)
        monkeypatch.setenv("PORT", "0")
        names = runpy.run_path(str(EXAMPLE))
        phone = Phone(carrier=Twilio(), phone_number="+15550001234")
        agent = names["agent_of"](phone, OpenAIRealtime(voice="coral"))
        serving = asyncio.create_task(phone.serve(agent))
        door = await phone.until_serving()
        async with await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("where is order seven"))
            await call.until_answered()
            [running] = phone.calls
        await running.result()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert heard(call.heard) == "Hello, this is the Corner Shop! Your order 7 is on its way."
    assert "assistant: Hello, this is the Corner Shop!" in capsys.readouterr().out
    assert PERSON not in repr(agent)


@pytest.mark.virtual_time
async def test_the_example_answers_a_call_on_this_machine(monkeypatch):
    monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")
    words = await runpy.run_path(str(EXAMPLE))["locally"]()
    assert words == "Hello, this is the Corner Shop! Your order 7 is on its way."
