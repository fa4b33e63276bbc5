"""Calling out: what the carrier is asked, where a call gets, answering machines, and messages on them."""

from __future__ import annotations

import pytest

from tests.support.phones import CARRIERS, NUMBER, PERSON, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CallNotTakenError, CarrierRefusedError, PhoneError, SettingsError
from voicepipe.phone import CallHooks, OpenAIRealtime, PhoneLimits

pytestmark = pytest.mark.virtual_time


def engine(server):
    return OpenAIRealtime(api_key="k", base_url=server.url)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_out_rings_is_answered_and_talked_with(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=engine(server), first_message="Hello!")
        async with phone.serving(port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, agent, first_message="Good day!", ring_secs=11)
            assert (placed.direction, placed.callee, placed.caller) == ("outbound", PERSON, NUMBER)
            [asked] = far.asked
            assert PERSON in asked.fields.values()
            assert 11 in asked.fields.values() or "11" in asked.fields.values()
            if carrier == "twilio":
                events = ["initiated", "ringing", "answered", "completed"]
                assert asked.fields["StatusCallbackEvents"] == events
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream) as call:
                await placed.until_answered()
                await call.until_answered()
                await call.say(spoken("hello"))
                await call.until_answered()
            result = await placed.result()
    assert heard(call.heard) == "Good day! Hello! How can I help you?"
    assert result.outcome == "answered"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("status", "outcome"), [("busy", "busy"), ("no-answer", "no_answer"), ("failed", "failed")]
)
async def test_a_call_that_nobody_answers_says_why(carrier, status, outcome):
    ended = []
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        hooks = CallHooks(on_call_end=lambda call, result: ended.append(result))
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"), hooks=hooks)
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            assert await far.say_status(placed.carrier_call_id, status) == 200
            result = await placed.result()
            assert not phone.calls
            with pytest.raises(PhoneError, match="not answered"):
                await placed.until_answered()
    assert (result.outcome, result.status, result.duration_secs) == (outcome, status, 0.0)
    assert ended == [result]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_message_is_left_on_an_answering_machine(carrier):
    found = []
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(
            engine=engine(server),
            voicemail_message="Please call back.",
            hooks=CallHooks(on_machine_detection=lambda call, machine: found.append(machine.classification)),
        )
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, machine_detection=True)
            [asked] = far.asked
            wanted = {"twilio": "DetectMessageEnd", "telnyx": "greeting_end", "plivo": "true"}
            assert wanted[carrier] in asked.fields.values()
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream) as call:
                await placed.until_answered()
                await far.say_machine(call_id, is_machine=True)
                await call.until_ended()
            result = await placed.result()
    assert heard(call.heard) == "Please call back."
    assert (result.outcome, found) == ("voicemail", ["machine"])
    assert result.reason == "the message was left on an answering machine"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("greeting", ["", "Good day!"])
async def test_a_machine_that_is_found_before_the_stream_runs_gets_the_message(carrier, greeting):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(
            engine=engine(server), first_message=greeting, voicemail_message="Please call back."
        )
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, machine_detection=True)
            call_id, stream = await far.pick_up()
            await far.say_machine(call_id, is_machine=True)
            async with far.local_call(call_id, stream) as call:
                await call.until_ended()
            await placed.result()
    assert heard(call.heard) == "Please call back."


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_without_a_message_it_hangs_up_on_a_machine_and_stays_with_a_person(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            door.public_url = door.local_url
            for is_machine in (False, True):
                placed = await phone.call(PERSON, machine_detection="fast")
                call_id, stream = await far.pick_up()
                async with far.local_call(call_id, stream) as call:
                    await placed.until_answered()
                    await far.say_machine(call_id, is_machine=is_machine)
                    if is_machine:
                        await call.until_ended()
                    else:
                        await call.say(spoken("hello"))
                        await call.until_answered()
                result = await placed.result()
                assert result.outcome == ("voicemail" if is_machine else "answered")


async def test_what_the_carrier_refuses_is_said_without_the_key():
    async with FakeCarrier("twilio") as far:
        far.answers["/Calls.json"] = (401, {"message": "Authenticate", "code": 20003})
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            with pytest.raises(CarrierRefusedError, match="Authenticate") as refused:
                await phone.call(PERSON)
            assert (refused.value.status, refused.value.code) == (401, "20003")
            assert not phone.calls


async def test_a_call_that_the_carrier_forgets_is_given_up():
    async with FakeCarrier("telnyx") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            result = await (await phone.call(PERSON)).result()
    assert result.outcome == "failed"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_rings_can_be_given_up(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            await placed.hang_up()
            assert (await placed.result()).status == "canceled"
    ends = {"twilio": ".json", "telnyx": "/actions/hangup", "plivo": "/Request/R1/"}
    assert far.asked[-1].path.endswith(ends[carrier])


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_is_said_to_be_answered_twice_gets_one_stream(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON)
            await far.pick_up()
            with pytest.raises(CallNotTakenError, match="status 403"):
                await far.pick_up()
            assert door.refusals["replay"] == 1
            assert placed.has_stream_offer


async def test_a_call_out_needs_a_phone_that_serves_and_room():
    async with FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        with pytest.raises(PhoneError, match="does not serve"):
            await phone.call(PERSON, agent)
        async with phone.serving(port=0, limits=PhoneLimits(calls=1)) as door:
            with pytest.raises(SettingsError, match="agent"):
                await phone.call(PERSON)
            with pytest.raises(SettingsError, match="to:"):
                await phone.call("5550000", agent)
            with pytest.raises(SettingsError, match="public_url"):
                await phone.call(PERSON, agent)
            assert not phone.calls
            door.public_url = door.local_url
            placed = await phone.call(PERSON, agent)
            with pytest.raises(PhoneError, match=r"limits\.calls"):
                await phone.call(PERSON, agent)
            await placed.hang_up()
            assert (await placed.result()).status == "canceled"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_numbers_webhook_is_set_when_asked(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone(public_url="https://bot.example.com")
        async with phone.serving(port=0, set_webhook=True):
            pass
        voice = f"https://bot.example.com/{carrier}/voice"
        assert any(voice in asked.fields.values() for asked in far.asked)
        if carrier != "telnyx":
            # Telnyx tells all of a call at one address.
            status = f"https://bot.example.com/{carrier}/status"
            assert any(status in asked.fields.values() for asked in far.asked)
        ends = {"twilio": "PN1.json", "telnyx": "/call_control_applications/77", "plivo": f"{NUMBER[1:]}/"}
        assert far.asked[-1].path.endswith(ends[carrier])


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_machine_that_is_found_while_the_bot_greets_gets_the_whole_message(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(
            engine=engine(server),
            first_message="Good day, this is the bot of the library speaking.",
            voicemail_message="Please call the library back.",
        )
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, machine_detection=True)
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream) as call:
                await call.until_played(600)
                await far.say_machine(call_id, is_machine=True)
                await call.until_ended()
            result = await placed.result()
    assert heard(call.heard).endswith("Please call the library back.")
    assert result.outcome == "voicemail"
