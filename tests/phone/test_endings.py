"""Calls that are ended from here, or that the carrier does not do its part of: they end there too, and say why."""

from __future__ import annotations

import asyncio

import pytest

from tests.phone.talk import DIAL, talking
from tests.support.phones import CARRIERS, PERSON, FakeCarrier, SlowCarrier
from tests.support.tones import heard, tone_server
from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError
from voicepipe.phone import OpenAIRealtime, PhoneLimits

pytestmark = pytest.mark.virtual_time

ENDED = {"twilio": ".json", "telnyx": "/actions/hangup", "plivo": "/Request/R1/"}
"""Where the carrier is asked to end a call that it was asked to place."""


def silent_agent(phone, **kwargs):
    return phone.agent(engine=OpenAIRealtime(api_key="k", base_url="ws://127.0.0.1:9/v1/realtime"), **kwargs)


def ends_asked(far):
    """How often the carrier was asked to end a call."""
    if far.name == "twilio":
        return len([asked for asked in far.asked if asked.fields.get("Status") == "completed"])
    return len([asked for asked in far.asked_for(ENDED[far.name]) if asked.method != "GET"])


async def test_why_the_bot_hung_up_stands_also_if_telnyx_says_first_that_the_call_is_over():
    far = SlowCarrier("telnyx")
    async with talking(far) as talk:
        await talk.call.until_answered()
        far.held = "/actions/hangup"
        await talk.running.hang_up("the shop closes")
        await far.is_held.wait()
        await talk.caller_leaves()
        far.let_go.set()
        result = await talk.running.result()
    assert (result.status, result.reason) == ("completed", "the shop closes")


@pytest.mark.parametrize("count", [1, 2])
async def test_what_was_asked_to_be_said_is_heard_before_the_bot_hangs_up(count):
    async with talking(FakeCarrier("twilio")) as talk:
        await talk.call.until_answered()
        for number in range(count):
            await talk.running.say(f"Good bye {number}.")
        await talk.running.hang_up("all said")
        await talk.call.until_ended()
        result = await talk.running.result()
    assert heard(talk.call.heard).endswith(" ".join(f"Good bye {number}." for number in range(count)))
    assert (result.status, result.reason) == ("completed", "all said")


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_last_words_are_heard_whatever_else_was_to_be_said(count):
    async with talking(
        FakeCarrier("twilio"), "count to twenty", max_call_secs=5, max_call_message="Time is up."
    ) as talk:
        await talk.call.until_played(500)
        for number in range(count):
            await talk.running.say(f"Thing {number}.")
        await talk.call.until_ended()
        result = await talk.running.result()
    assert heard(talk.call.heard).endswith("Time is up.")
    assert result.duration_secs < 10


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_why_a_call_that_rang_was_given_up_stands_also_if_the_carrier_says_first_that_it_is_over(
    carrier,
):
    async with SlowCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            far.held = ENDED[carrier]
            hanging_up = asyncio.create_task(placed.hang_up("it took too long"))
            await far.is_held.wait()
            await far.say_status(placed.carrier_call_id, "completed")
            far.let_go.set()
            await hanging_up
            result = await placed.result()
    assert (result.outcome, result.reason) == ("no_answer", "it took too long")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_rings_and_is_not_ended_goes_on(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            far.answers[ENDED[carrier]] = (500, {"message": "not now"})
            with pytest.raises(CarrierRefusedError):
                await placed.hang_up()
            assert not placed.is_over
            await far.say_status(placed.carrier_call_id, "completed")
            assert "took too long" not in (await placed.result()).reason


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_nobody_waits_to_be_placed_is_over_and_ended_at_the_carriers(carrier):
    async with SlowCarrier(carrier) as far:
        phone = far.phone(public_url="https://bot.example.com")
        far.held = DIAL[carrier]
        async with phone.serving(silent_agent(phone), port=0):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await phone.call(PERSON)
            assert not phone.calls
            far.held = "nothing"
            far.let_go.set()
        assert ends_asked(far) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_phone_that_closes_while_a_call_is_placed_ends_it_at_the_carriers(carrier):
    async with SlowCarrier(carrier) as far:
        phone = far.phone(public_url="https://bot.example.com")
        far.held = DIAL[carrier]
        async with phone.serving(silent_agent(phone), port=0, limits=PhoneLimits(shutdown_secs=1)):
            placing = asyncio.create_task(phone.call(PERSON))
            await far.is_held.wait()
            asyncio.get_running_loop().call_later(3, far.let_go.set)
        placed = await placing
        assert (await placed.result()).reason == "the phone closes"
        assert ends_asked(far) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_can_be_hung_up_while_it_is_placed(carrier):
    async with SlowCarrier(carrier) as far:
        phone = far.phone(public_url="https://bot.example.com")
        far.held = DIAL[carrier]
        async with phone.serving(silent_agent(phone), port=0):
            placing = asyncio.create_task(phone.call(PERSON))
            await far.is_held.wait()
            [call] = phone.calls
            await call.hang_up("wrong number")
            far.let_go.set()
            assert await placing is call
        assert (await call.result()).reason == "wrong number"
        assert ends_asked(far) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_phone_that_closes_lets_those_whom_it_calls_ring_no_more_and_asks_for_all_at_once(carrier):
    async with SlowCarrier(carrier) as far:
        phone = far.phone(public_url="https://bot.example.com")
        clock = asyncio.get_running_loop().time
        async with phone.serving(silent_agent(phone), port=0, limits=PhoneLimits(shutdown_secs=1)):
            placed = [await phone.call(PERSON) for _ in range(5)]
            far.held = ENDED[carrier]
            began_secs = clock()
        assert clock() - began_secs < 15
        far.let_go.set()
        assert {(await call.result()).reason for call in placed} == {"the phone closes"}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_the_carrier_forgets_or_opens_no_stream_for_is_ended_there_too(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            assert (await placed.result()).reason == "the carrier said nothing more of the call"
            await far.ring(door.local_url)
            [call] = phone.calls
            assert (await call.result()).reason == "the carrier did not open its media stream"
        if carrier == "plivo":
            assert far.asked[-1].path.endswith(f"/Call/{call.carrier_call_id}/")
            assert far.asked[-1].method == "DELETE"
            assert ends_asked(far) == 1
        else:
            assert ends_asked(far) == 2


async def test_whom_telnyx_opens_no_stream_for_is_not_left_on_a_silent_line():
    async with FakeCarrier("telnyx") as far:
        far.answers["/actions/streaming_start"] = (500, {"errors": [{"code": "1", "title": "oops"}]})
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            news = far.exchange.picked_up()
            await far.tell(news.url, news.fields)
            assert (await placed.result()).outcome == "failed"
        assert ends_asked(far) == 1


async def test_what_a_carrier_says_late_takes_no_call_back_to_where_it_was():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream):
                await placed.until_answered()
                await far.say_status(call_id, "ringing")
                assert placed.status == "in-progress"
            assert (await placed.result()).status == "completed"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_machine_that_was_to_be_found_fast_gets_the_message_at_once(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        engine = OpenAIRealtime(api_key="k", base_url=server.url)
        agent = phone.agent(engine=engine, voicemail_message="Please call back.")
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, machine_detection="fast")
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream) as call:
                await placed.until_answered()
                # That the greeting has ended is said to those alone who asked for that.
                found, *_ = far.exchange.detection(call_id, is_machine=True)
                await far.tell(found.url, found.fields)
                async with asyncio.timeout(30):
                    await call.until_ended()
            assert (await placed.result()).outcome == "voicemail"
    assert heard(call.heard) == "Please call back."


async def test_a_detection_that_there_is_not_is_said_and_no_call_is_begun():
    async with FakeCarrier("twilio") as far:
        phone = far.phone(public_url="https://bot.example.com")
        async with phone.serving(silent_agent(phone), port=0):
            with pytest.raises(
                SettingsError, match="machine_detection: 'detect' is none of True, False, 'fast'"
            ):
                await phone.call(PERSON, machine_detection="detect")  # pyright: ignore[reportArgumentType]
            assert not phone.calls


async def test_a_call_out_whose_agent_is_chosen_when_the_phone_has_closed_says_so():
    async with FakeCarrier("twilio") as far:
        phone = far.phone(public_url="https://bot.example.com")
        is_asked, is_chosen = asyncio.Event(), asyncio.Event()

        async def choose(caller):
            is_asked.set()
            await is_chosen.wait()
            return silent_agent(phone)

        async with phone.serving(choose, port=0):
            placing = asyncio.create_task(phone.call(PERSON))
            await is_asked.wait()
        is_chosen.set()
        with pytest.raises(PhoneError, match="closes"):
            await placing


async def test_what_is_asked_of_the_carrier_when_the_phone_has_closed_is_refused():
    async with FakeCarrier("twilio") as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            await far.say_status(placed.carrier_call_id, "busy")
            await placed.result()
        with pytest.raises(CarrierRefusedError, match="does not serve any more"):
            await placed.record()
