"""What calls of a phone cost: prices of one's own, the account while a call runs, the cap, and the record of it all."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from loguru import logger

from tests.support.phones import CALLER, CARRIERS, NUMBER, PERSON, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError
from voicepipe.phone import CallHooks, OpenAIRealtime, Phone
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


def test_s001_33_and_36_each_model_has_its_prices():
    models = DEFAULT_PRICING["openai_realtime"].models
    assert models["gpt-realtime-2"]["audio_input_per_token"] == Decimal("0.000032")


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-realtime-mini", (10, 20)),
        ("gpt-realtime", (32, 64)),
        ("gpt-realtime-2", (32, 64)),
        ("gpt-4o-realtime-preview", (100, 200)),
        ("gpt-4o-mini-realtime-preview", (10, 20)),
    ],
)
def test_s001_3_to_8_s000_31_the_prices_of_the_document(model, dollars):
    row = DEFAULT_PRICING["openai_realtime"]["models"][model]
    found = (row["audio_input_per_token"], row["audio_output_per_token"])
    assert tuple(price * 1_000_000 for price in found) == dollars


def test_s001_34_the_old_way_of_naming_prices_still_runs():
    with pytest.warns(DeprecationWarning, match="not needed"):
        old = DEFAULT_PRICING["openai_realtime_2"]
    assert Phone(carrier=FakeCarrier("twilio").carrier(), pricing={"openai_realtime": old})


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


@pytest.fixture
def warnings():
    told: list[str] = []
    number = logger.add(lambda message: told.append(str(message)), level="WARNING", format="{message}")
    yield told
    logger.remove(number)


@pytest.mark.virtual_time
async def test_a_model_without_a_price_has_no_cost_and_never_none_at_all(warnings, tmp_path):
    path, first = tmp_path / "calls.sqlite", []
    hooks = CallHooks(on_call_start=lambda call: first.append(call.cost))
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(records=path)
        agent = phone.agent(engine=engine(server, model="gpt-realtime-9"), hooks=hooks)
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
                during = running.account
                # What is in the database while the call runs.
                async with RecordReader.open(path) as reader:
                    open_row = (await reader.call(running.id)).call
            result = await running.result()
    costs = [*first, during.cost, result.cost]
    assert [(cost.total, cost.llm) for cost in costs] == [(None, None)] * 3
    assert during.cost_per_minute is None
    assert result.cost.telephony == Decimal("0.0085")
    assert result.cost.known == result.cost.telephony + result.cost.stt
    async with RecordReader.open(path) as reader:
        [row] = await reader.calls()
    for stored in (open_row, row):
        assert (stored["cost_total"], stored["cost_llm"]) == (None, None)
    [told] = [line for line in warnings if "no price" in line]
    assert "gpt-realtime-9" in told


async def a_call_out(phone, server, far):
    """Call somebody, talk, and return how it ended."""
    async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
        door.public_url = door.local_url
        placed = await phone.call(PERSON)
        call_id, stream = await far.pick_up()
        async with far.local_call(call_id, stream) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
        return await placed.result()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("carrier", "dollars"), [("twilio", "0.0140"), ("telnyx", "0.007"), ("plivo", "0.0115")]
)
async def test_calls_out_cost_what_the_carrier_charges_for_those(carrier, dollars):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        result = await a_call_out(far.phone(), server, far)
    assert result.cost.telephony == result.account.carrier_minutes * Decimal(dollars)
    minutes = Decimal(str(round(result.account.call_secs, 3))) / 60
    assert result.account.carrier_minutes == (minutes if carrier == "telnyx" else 1)
    assert result.cost.total == sum(result.cost.parts.values())


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_price_of_ones_own_for_one_direction_leaves_the_other(carrier):
    prices = {f"{carrier}_outbound": {"price": "0.5", "rounds_up": True}}
    async with tone_server() as server, FakeCarrier(carrier) as far:
        out = await a_call_out(far.phone(pricing=prices), server, far)
        _, _, in_ = await a_call(far.phone(pricing=prices), server, far)
    assert out.cost.telephony == Decimal("0.5")
    provider = DEFAULT_PRICING.get(f"{carrier}_inbound", DEFAULT_PRICING[carrier])
    assert in_.cost.telephony == in_.account.carrier_minutes * provider["price"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("status", ["busy", "no-answer"])
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_nobody_answers_costs_nothing(carrier, status):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", model="gpt-realtime-9"))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            await far.say_status(placed.carrier_call_id, status)
            result = await placed.result()
    assert (result.cost.total, result.account.carrier_minutes) == (0, 0)


@pytest.mark.virtual_time
async def test_p23_cached_tokens_are_part_of_the_input_and_paid_once():
    """The call's cost is worked out here from the usage that its server sent, by hand."""
    usages = []

    def note(way, event):
        if event["type"] == "response.done" and event["response"].get("usage"):
            usages.append(event["response"]["usage"])

    async with tone_server(on_event=note) as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        # A long prompt is what servers keep: they count in blocks.
        agent = phone.agent(engine=engine(server), system_prompt="Be kind. " * 200)
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                for question in ("hello", "count to three", "hello"):
                    await call.say(spoken(question))
                    await call.until_answered()
                [running] = phone.calls
            result = await running.result()
    rates = DEFAULT_PRICING["openai_realtime"].models["gpt-realtime-mini"]
    expected, cached = Decimal(0), 0
    for usage in usages:
        given, taken = usage["input_token_details"], usage["output_token_details"]
        kept = given.get("cached_tokens_details") or {}
        for kind in ("text", "audio"):
            hidden = kept.get(f"{kind}_tokens", 0)
            cached += hidden
            expected += (given[f"{kind}_tokens"] - hidden) * rates[f"{kind}_input_per_token"]
            expected += hidden * rates[f"cached_{kind}_input_per_token"]
            expected += taken[f"{kind}_tokens"] * rates[f"{kind}_output_per_token"]
    assert len(usages) == 3
    assert cached > 0
    assert result.cost.llm == expected
    assert result.account.used.total_tokens == sum(usage["total_tokens"] for usage in usages)


@pytest.mark.virtual_time
async def test_s001_35_prices_of_ones_own_go_over_the_default_ones():
    prices = {"openai_realtime": {"audio_output_per_token": 1}, "twilio": {"price": "0.5"}}
    async with tone_server() as server, FakeCarrier("twilio") as far:
        _, _, result = await a_call(far.phone(pricing=prices), server, far)
    assert result.cost.telephony == Decimal("0.5")
    assert result.cost.llm >= 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_costs_as_much_as_it_may_ends_politely(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
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


@pytest.mark.virtual_time
async def test_a_cap_is_reached_by_minutes_where_the_model_has_no_price():
    async with tone_server() as server, FakeCarrier("telnyx") as far:
        phone = far.phone(spending_cap="0.0021", spending_cap_message="Goodbye!")
        agent = phone.agent(engine=engine(server, model="gpt-realtime-9"))
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                [running] = phone.calls
                await call.until_ended()
            result = await running.result()
    # 0.0035 a minute: 36 s.
    assert heard(call.heard) == "Goodbye!"
    assert 36 <= result.duration_secs < 45
    assert (result.cost.total, result.reason) == (None, "the call reached its spending cap")


@pytest.mark.virtual_time
async def test_a_cap_that_is_reached_on_hold_is_said_when_the_bot_has_the_caller_back():
    given_up = asyncio.Event()
    hooks = CallHooks(on_error=lambda call, message: given_up.set())
    async with tone_server() as server, FakeCarrier("plivo") as far:
        phone = far.phone(spending_cap="0.0069", spending_cap_message="Goodbye!")
        async with phone.serving(phone.agent(engine=engine(server), hooks=hooks), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm", unreached_message="Nobody.", ring_secs=1)
                await call.until_ended()
            # A minute later the carrier has said nothing of the person.
            await given_up.wait()
            await running.transfers.settle()
            [*_, asked] = [one for one in far.asked if "aleg_url" in one.fields]
            _, markup = await far.tell(asked.fields["aleg_url"], {"CallUUID": "x"})
            async with far.local_call(running.carrier_call_id, far.stream_in(markup)) as again:
                await again.until_ended()
            result = await running.result()
    assert heard(again.heard).endswith("Goodbye!")
    assert result.reason == "the call reached its spending cap"


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
