"""Warm transfers that go wrong: the caller is told and goes on with the bot, or the call ends and says why."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.phones import CARRIERS, PERSON, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CarrierRefusedError, PhoneError
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.phone import CallHooks, OpenAIRealtime, PhoneLimits, transfer_call
from voicepipe.phone.transfers import UNREACHED
from voicepipe.telemetry.records import RecordReader

pytestmark = pytest.mark.virtual_time

HOLD = {"twilio": ".json", "telnyx": "/actions/streaming_stop", "plivo": "/"}
"""Where the carrier is asked to have the caller wait."""
DIAL = {"twilio": "/Calls.json", "telnyx": "/calls", "plivo": "/Call/"}
"""Where the carrier is asked to call the person."""
NO = (400, {"message": "not today", "code": "21211"})


class SlowCarrier(FakeCarrier):
    """Holds requests whose path ends with `held` back until `let_go`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.held = "nothing"
        self.is_held = asyncio.Event()
        self.let_go = asyncio.Event()

    async def rest_reached(self, path: str) -> None:
        if path.endswith(self.held):
            self.is_held.set()
            await self.let_go.wait()


def engine(server):
    return OpenAIRealtime(api_key="k", base_url=server.url)


async def stream_of_return(far: FakeCarrier, call_id: str):
    """The stream that the carrier is to open when the caller is taken back."""
    markup = ""
    if far.name == "twilio":
        [*_, asked] = [one for one in far.asked if "<Stream" in one.fields.get("Twiml", "")]
        markup = asked.fields["Twiml"]
    elif far.name == "plivo":
        [*_, asked] = [one for one in far.asked if "aleg_url" in one.fields]
        _, markup = await far.tell(asked.fields["aleg_url"], {"CallUUID": call_id})
    return far.stream_in(markup)


async def person_says(far: FakeCarrier, status: str) -> None:
    """Say what became of the person's call."""
    [*_, dialled] = far.asked_for(*DIAL.values())
    if far.name == "twilio":
        fields = {"CallSid": far.new_id(), "CallStatus": status}
        await far.tell(dialled.fields["StatusCallback"], fields)
    elif far.name == "plivo":
        await far.tell(dialled.fields["hangup_url"], {"CallUUID": "y", "CallStatus": status})
    else:
        causes = {"busy": "user_busy", "no-answer": "timeout", "failed": "unallocated_number"}
        state = dialled.fields["client_state"]
        gone = far.event("call.hangup", far.new_id(), client_state=state, hangup_cause=causes[status])
        await far.tell(dialled.fields["webhook_url"], gone)


async def caller_leaves(far: FakeCarrier, door, call_id: str) -> None:
    """Say that the caller hung up."""
    if far.name == "telnyx":
        gone = far.event("call.hangup", call_id, hangup_cause="normal_clearing")
        await far.tell(f"{door.local_url}/telnyx/voice", gone)
    else:
        name = "CallSid" if far.name == "twilio" else "CallUUID"
        await far.tell(f"{door.local_url}/{far.name}/status", {name: call_id, "CallStatus": "completed"})


def hung_up(far: FakeCarrier) -> list[str]:
    """The paths of requests to end a call."""
    if far.name == "twilio":
        return [asked.path for asked in far.asked if asked.fields.get("Status") == "completed"]
    if far.name == "telnyx":
        return [asked.path for asked in far.asked_for("/actions/hangup")]
    return [asked.path for asked in far.asked if asked.method == "DELETE"]


async def transfers_of(path, call) -> list[tuple[str, str]]:
    async with RecordReader.open(path) as reader:
        stored = await reader.call(call.id)
    return [(event["text"], event["detail"]) for event in stored.events if event["kind"] == "transfer"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_whom_the_carrier_does_not_have_wait_goes_on_with_the_bot(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
                far.answers[HOLD[carrier]] = NO
                with pytest.raises(CarrierRefusedError, match="not today"):
                    await running.transfer(PERSON, mode="warm", hold_audio_url="https://e.com/a.mp3")
                far.answers.clear()
                await call.say(spoken("hello"))
                await call.until_answered()
                assert (running.is_on_hold, running.is_talking) == (False, True)
            result = await running.result()
    assert heard(call.heard).count("Hello!") == 2
    assert result.reason == "the caller hung up"
    if carrier == "telnyx":
        # What was to be heard on hold does not go on beside the bot.
        assert len(far.asked_for("/actions/playback_stop")) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("mode", ["warm", "cold"])
async def test_a_caller_to_whom_the_model_promised_a_person_is_told_when_there_is_none(carrier, mode):
    rule = {"name": "transfer_call", "arguments": {"to": "sales", "summary": "wants to buy"}}
    script = Script.model_validate({"rules": [{"hear": "please", "call": rule, "then": "One moment."}]})
    refusing = "/actions/transfer" if (carrier, mode) == ("telnyx", "cold") else HOLD[carrier]
    async with (
        LocalServer(speech=speech_engine("tones"), brain=ScriptBrain(script)) as server,
        FakeCarrier(carrier) as far,
    ):
        phone = far.phone()
        agent = phone.agent(engine=engine(server), tools=[transfer_call({"sales": PERSON}, mode=mode)])
        async with phone.serving(agent, port=0) as door:
            far.answers[refusing] = NO
            async with await far.call(door.local_url) as call:
                await call.say(spoken("please"))
                await call.until(lambda: UNREACHED.split()[-1] in heard(call.heard))
                [running] = phone.calls
                assert running.is_talking
    assert heard(call.heard).endswith(UNREACHED)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_person_whom_the_carrier_does_not_call_gives_the_caller_back(carrier, tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        agent = phone.agent(engine=engine(server), system_prompt="Be kind.")
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
                far.answers[DIAL[carrier]] = NO
                await running.transfer(PERSON, mode="warm", unreached_message="Nobody is there.")
                await call.until_ended()
            again = far.local_call(
                running.carrier_call_id, await stream_of_return(far, running.carrier_call_id)
            )
            async with again:
                await again.until_answered()
                await again.say(spoken("hello"))
                await again.until_answered()
            result = await running.result()
    assert heard(again.heard) == "Nobody is there. Hello! How can I help you?"
    assert (result.outcome, running.is_transferred) == ("answered", False)
    assert await transfers_of(path, running) == [(f"warm to {PERSON}", "refused")]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
async def test_a_person_who_does_not_answer_gives_the_caller_back(carrier, status, tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm")
                await call.until_ended()
            assert await transfers_of(path, running) == [(f"warm to {PERSON}", "begun")]
            await person_says(far, status)
            again = far.local_call(
                running.carrier_call_id, await stream_of_return(far, running.carrier_call_id)
            )
            async with again:
                await again.until_answered()
            await running.result()
    assert heard(again.heard) == UNREACHED
    [(_, became)] = await transfers_of(path, running)
    assert became == status


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_carrier_that_says_nothing_more_gives_the_caller_back(carrier, tmp_path):
    path, given_up = tmp_path / "calls.sqlite", asyncio.Event()
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        hooks = CallHooks(on_error=lambda call, message: given_up.set())
        agent = phone.agent(engine=engine(server), hooks=hooks)
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm", ring_secs=10)
                await call.until_ended()
            began_secs = asyncio.get_running_loop().time()
            await given_up.wait()
            await running.transfers.settle()
            assert 60 < asyncio.get_running_loop().time() - began_secs < 80
            # Whom the carrier may still be calling is not called any more.
            assert len(hung_up(far)) == 1
            again = far.local_call(
                running.carrier_call_id, await stream_of_return(far, running.carrier_call_id)
            )
            async with again:
                await again.until_answered()
            await running.result()
    assert heard(again.heard) == UNREACHED
    [(_, became)] = await transfers_of(path, running)
    assert became == "the carrier said nothing more"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_leaves_while_the_person_is_called_ends_both_calls(carrier, tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm")
                await call.until_ended()
            await caller_leaves(far, door, running.carrier_call_id)
            result = await running.result()
            [path_of_end] = hung_up(far)
            assert running.carrier_call_id.replace(":", "%3A") not in path_of_end
            # The person's end, which follows from that, opens no stream for anybody.
            before = len(far.asked)
            await person_says(far, "no-answer")
            assert len(far.asked) == before
    assert (result.outcome, result.reason) == ("answered", "the caller hung up while on hold")
    assert not running.is_transferred
    [(_, became)] = await transfers_of(path, running)
    assert became == "the caller is gone"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_leaves_while_the_carrier_is_asked_has_nobody_called(carrier):
    async with tone_server() as server, SlowCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                far.held = DIAL[carrier]
                asking = asyncio.create_task(running.transfer(PERSON, mode="warm"))
                await far.is_held.wait()
                await caller_leaves(far, door, running.carrier_call_id)
                await running.result()
                assert hung_up(far) == []
                far.let_go.set()
                await asking
            assert len(hung_up(far)) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_cannot_be_taken_back_is_not_left_waiting(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm")
                await call.until_ended()
            back = {"twilio": ".json", "telnyx": "/actions/streaming_start", "plivo": "/"}
            far.answers[back[carrier]] = NO
            await person_says(far, "busy")
            result = await running.result()
            [*_, last] = far.asked
            assert running.carrier_call_id.replace(":", "%3A") in last.path.replace(":", "%3A")
            assert last.path in hung_up(far)
    assert "could not be taken back" in result.reason


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_phone_that_closes_lets_a_caller_on_hold_and_the_person_go_at_once(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        limits = PhoneLimits(shutdown_secs=1)
        async with phone.serving(phone.agent(engine=engine(server)), port=0, limits=limits) as door:
            call = await far.call(door.local_url)
            await call.__aenter__()
            await call.say(spoken("hello"))
            [running] = phone.calls
            await running.transfer(PERSON, mode="warm")
            began_secs = asyncio.get_running_loop().time()
        result = await running.result()
        await call.__aexit__()
    assert asyncio.get_running_loop().time() - began_secs < 5
    assert result.reason == "the phone closes"
    assert len(hung_up(far)) == 2


async def test_a_person_to_whom_telnyx_says_no_summary_gives_the_caller_back():
    async with tone_server() as server, FakeCarrier("telnyx") as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm", summary="A question")
                await call.until_ended()
            [*_, dialled] = far.asked_for("/calls")
            far.answers["/actions/speak"] = NO
            person, state = far.new_id(), dialled.fields["client_state"]
            await far.tell(
                dialled.fields["webhook_url"], far.event("call.answered", person, client_state=state)
            )
            assert person.replace(":", "%3A") in hung_up(far)[0].replace(":", "%3A")
            async with far.local_call(running.carrier_call_id, far.stream_in("")) as again:
                await again.until_answered()
    assert heard(again.heard) == UNREACHED


async def test_a_caller_and_a_person_whom_telnyx_does_not_join_are_both_let_go():
    async with tone_server() as server, FakeCarrier("telnyx") as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await running.transfer(PERSON, mode="warm", summary="A question")
                await call.until_ended()
            [*_, dialled] = far.asked_for("/calls")
            url, state, person = dialled.fields["webhook_url"], dialled.fields["client_state"], far.new_id()
            await far.tell(url, far.event("call.answered", person, client_state=state))
            far.answers["/actions/bridge"] = NO
            await far.tell(url, far.event("call.speak.ended", person, client_state=state))
            assert len(hung_up(far)) == 2


async def test_a_second_transfer_while_one_is_under_way_is_refused():
    async with tone_server() as server, SlowCarrier("twilio") as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                far.held = ".json"
                first = asyncio.create_task(running.transfer(PERSON, mode="warm"))
                await far.is_held.wait()
                with pytest.raises(PhoneError, match="already"):
                    await running.transfer(PERSON)
                far.let_go.set()
                await first
                await call.until_ended()
            await running.hang_up()
