"""What calls of a phone cost: prices of one's own, the account while a call runs, the cap, and the record of it all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.phones import CALLER, CARRIERS, NUMBER, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError
from voicepipe.phone import OpenAIRealtime, Phone
from voicepipe.telemetry import DEFAULT_PRICING
from voicepipe.telemetry.records import RecordReader


def engine(server, **kwargs):
    return OpenAIRealtime(api_key="k", base_url=server.url, **kwargs)


async def a_call(phone, server, far, **kwargs):
    """Hold a short call, and return it, its account while it ran, and how it ended."""
    async with phone.serving(phone.agent(engine=engine(server, **kwargs)), port=0) as door:
        async with await far.call(door.local_url) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
            [running] = phone.calls
            during = running.account
        return running, during, await running.result()


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p23_a_call_has_a_cost_while_it_runs_and_its_parts_add_up(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        running, during, result = await a_call(far.phone(), server, far)
    assert during.cost.total is not None
    assert 0 < during.cost.llm <= result.cost.llm
    assert result.cost.total == sum(result.cost.parts.values())
    assert result.account.call_secs == pytest.approx(result.duration_secs, abs=0.5)
    assert running.cost == result.cost
    kinds = result.cost.llm_by_kind
    assert sum(kinds.values()) == result.cost.llm
    provider = DEFAULT_PRICING.get(f"{carrier}_inbound", DEFAULT_PRICING[carrier])
    assert result.cost.telephony == result.account.carrier_minutes * provider["price"]


@pytest.mark.virtual_time
async def test_a_model_without_a_price_has_no_cost_and_never_none_at_all():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        _, during, result = await a_call(far.phone(), server, far, model="gpt-realtime-9")
    assert (during.cost.total, result.cost.total, result.cost.llm) == (None, None, None)
    assert result.cost.telephony == Decimal("0.0085")


@pytest.mark.virtual_time
async def test_s001_35_prices_of_ones_own_go_over_the_default_ones():
    prices = {"openai_realtime": {"audio_output_per_token": 1}, "twilio": {"price": "0.5"}}
    async with tone_server() as server, FakeCarrier("twilio") as far:
        _, _, result = await a_call(far.phone(pricing=prices), server, far)
    assert result.cost.telephony == Decimal("0.5")
    assert result.cost.llm >= 1


@pytest.mark.virtual_time
async def test_a_call_that_costs_as_much_as_it_may_ends_politely():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(spending_cap="0.001", spending_cap_message="I have to go. Goodbye!")
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.until_played(100)
                [running] = phone.calls
                await call.until_ended()
            result = await running.result()
    assert heard(call.heard) == "I have to go. Goodbye!"
    assert result.reason == "the call reached its spending cap"
    assert result.cost.total >= Decimal("0.001")


@pytest.mark.parametrize("wrong", [{"spending_cap": 0}, {"spending_cap": "x"}, {"records": "mysql://h/n"}])
def test_what_cannot_be_used_is_named(wrong):
    far = FakeCarrier("twilio")
    [name] = wrong
    with pytest.raises(SettingsError, match=name):
        Phone(carrier=far.carrier(), **wrong)


async def test_every_call_is_recorded_as_it_happens(tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier("telnyx") as far:
        running, _, result = await a_call(far.phone(records=path), server, far)
    async with RecordReader.open(path) as reader:
        stored = await reader.call(running.id)
    row = stored.call
    assert (row["caller"], row["called"], row["carrier"]) == (CALLER, NUMBER, "telnyx")
    assert (row["engine"], row["model"]) == ("openai_realtime", "gpt-realtime-mini")
    assert row["labels"] == {"carrier_call_id": running.carrier_call_id}
    assert (row["status"], row["end_reason"], row["end_detail"]) == ("ended", "answered", result.reason)
    assert row["cost_total"] == result.cost.total
    assert [(turn["user_text"], turn["bot_text"]) for turn in stored.turns] == [
        ("hello", "Hello! How can I help you?")
    ]
