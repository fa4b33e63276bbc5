"""Warm transfers that go wrong: the caller is told and goes on with the bot, or the call ends and says why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.phone.talk import DIAL, Talk, talking
from tests.support.phones import CARRIERS, PERSON, FakeCarrier, SlowCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.phone import CallHooks, OpenAIRealtime, PhoneLimits, transfer_call
from voicepipe.phone.transfers import UNREACHED
from voicepipe.telemetry.records import RecordReader

pytestmark = pytest.mark.virtual_time

HOLD = {"twilio": ".json", "telnyx": "/actions/streaming_stop", "plivo": "/"}
"""Where the carrier is asked to have the caller wait."""
TAKE_BACK = {"twilio": ".json", "telnyx": "/actions/streaming_start", "plivo": "/"}
"""Where it is asked to take the caller back."""
NO = (400, {"message": "not today", "code": "21211"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where calls are written down."""
    return tmp_path / "calls.sqlite"


async def transfers_of(path: Path, talk: Talk) -> list[tuple[str, str]]:
    """Return what is written of transfers, once there is something: a thread writes it while the call goes on."""
    async with RecordReader.open(path) as reader, asyncio.timeout(10):
        while True:
            events = (await reader.call(talk.running.id)).events
            found = [(event["text"], event["detail"]) for event in events if event["kind"] == "transfer"]
            if found:
                return found
            await asyncio.sleep(0.01)


def is_about(path: str, call_id: str) -> bool:
    """Whether a request is about a call: ids of Telnyx's have a colon, which paths may escape."""
    return call_id in path.replace("%3A", ":")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_whom_the_carrier_does_not_have_wait_goes_on_with_the_bot(carrier):
    async with talking(FakeCarrier(carrier)) as talk:
        await talk.call.until_answered()
        talk.far.answers[HOLD[carrier]] = NO
        with pytest.raises(CarrierRefusedError, match="not today"):
            await talk.running.transfer(PERSON, mode="warm", hold_audio_url="https://e.com/a.mp3")
        talk.far.answers.clear()
        await talk.call.say(spoken("hello"))
        await talk.call.until_answered()
        assert (talk.running.is_on_hold, talk.running.is_talking) == (False, True)
        await talk.call.hang_up()
        result = await talk.running.result()
    assert heard(talk.call.heard).count("Hello!") == 2
    assert result.reason == "the caller hung up"
    if carrier == "telnyx":
        # What was to be heard on hold does not go on beside the bot.
        assert len(talk.far.asked_for("/actions/playback_stop")) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("mode", ["warm", "cold"])
async def test_a_caller_to_whom_the_model_promised_a_person_is_told_when_there_is_none(carrier, mode):
    rule = {"name": "transfer_call", "arguments": {"to": "sales", "summary": "wants to buy"}}
    script = Script.model_validate({"rules": [{"hear": "please", "call": rule, "then": "One moment."}]})
    server = LocalServer(speech=speech_engine("tones"), brain=ScriptBrain(script))
    tools = [transfer_call({"sales": PERSON}, mode=mode)]
    refusing = "/actions/transfer" if (carrier, mode) == ("telnyx", "cold") else HOLD[carrier]
    async with talking(FakeCarrier(carrier), "please", server=server, tools=tools) as talk:
        talk.far.answers[refusing] = NO
        await talk.call.until(lambda: UNREACHED.split()[-1] in heard(talk.call.heard))
        assert talk.running.is_talking
    assert heard(talk.call.heard).endswith(UNREACHED)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_person_whom_the_carrier_does_not_call_gives_the_caller_back(carrier, path):
    async with talking(FakeCarrier(carrier), records=path, system_prompt="Be kind.") as talk:
        await talk.call.until_answered()
        talk.far.answers[DIAL[carrier]] = NO
        await talk.put_on_hold(unreached_message="Nobody is there.")
        async with await talk.taken_back() as again:
            await again.until_answered()
            await again.say(spoken("hello"))
            await again.until_answered()
        result = await talk.running.result()
    assert heard(again.heard) == "Nobody is there. Hello! How can I help you?"
    assert (result.outcome, talk.running.is_transferred) == ("answered", False)
    assert await transfers_of(path, talk) == [(f"warm to {PERSON}", "refused")]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
async def test_a_person_who_does_not_answer_gives_the_caller_back(carrier, status, path):
    async with talking(FakeCarrier(carrier), records=path) as talk:
        await talk.put_on_hold()
        assert await transfers_of(path, talk) == [(f"warm to {PERSON}", "begun")]
        await talk.person_says(status)
        async with await talk.taken_back() as again:
            await again.until_answered()
        await talk.running.result()
    assert heard(again.heard) == UNREACHED
    [(_, became)] = await transfers_of(path, talk)
    assert became == status


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_person_who_cannot_be_reached_gives_the_caller_back_to_the_bot(carrier):
    async with talking(FakeCarrier(carrier), system_prompt="Be kind.") as talk:
        await talk.call.until_answered()
        await talk.put_on_hold(unreached_message="Nobody is there.")
        await talk.person_says("busy")
        assert talk.phone.calls == [talk.running]
        assert not talk.running.is_on_hold
        async with await talk.taken_back() as again:
            await again.until_answered()
            await again.say(spoken("hello"))
            await again.until_answered()
        result = await talk.running.result()
    assert heard(again.heard) == "Nobody is there. Hello! How can I help you?"
    assert (result.outcome, talk.running.is_transferred) == ("answered", False)
    said = [turn.text for turn in result.transcript if turn.role == "assistant"]
    assert said == ["Hello! How can I help you?", "Nobody is there.", "Hello! How can I help you?"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_carrier_that_says_nothing_more_gives_the_caller_back(carrier, path):
    given_up = asyncio.Event()
    hooks = CallHooks(on_error=lambda call, message: given_up.set())
    async with talking(FakeCarrier(carrier), records=path, hooks=hooks) as talk:
        await talk.put_on_hold(ring_secs=10)
        began_secs = asyncio.get_running_loop().time()
        await given_up.wait()
        await talk.running.transfers.settle()
        assert 60 < asyncio.get_running_loop().time() - began_secs < 80
        # Whom the carrier may still be calling is not called any more.
        assert len(talk.hung_up) == 1
        async with await talk.taken_back() as again:
            await again.until_answered()
        await talk.running.result()
    assert heard(again.heard) == UNREACHED
    [(_, became)] = await transfers_of(path, talk)
    assert became == "the carrier said nothing more"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_leaves_while_the_person_is_called_ends_both_calls(carrier, path):
    async with talking(FakeCarrier(carrier), records=path) as talk:
        await talk.put_on_hold()
        await talk.caller_leaves()
        result = await talk.running.result()
        [ended] = talk.hung_up
        assert not is_about(ended, talk.call_id)
        # The person's end, which follows from that, opens no stream for anybody.
        before = len(talk.far.asked)
        await talk.person_says("no-answer")
        assert len(talk.far.asked) == before
    assert (result.outcome, result.reason) == ("answered", "the caller hung up while on hold")
    assert not talk.running.is_transferred
    [(_, became)] = await transfers_of(path, talk)
    assert became == "the caller is gone"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_leaves_while_the_carrier_is_asked_has_nobody_called(carrier):
    far = SlowCarrier(carrier)
    async with talking(far) as talk:
        far.held = DIAL[carrier]
        asking = asyncio.create_task(talk.running.transfer(PERSON, mode="warm"))
        await far.is_held.wait()
        await talk.caller_leaves()
        await talk.running.result()
        assert talk.hung_up == []
        far.let_go.set()
        await asking
        assert len(talk.hung_up) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_cannot_be_taken_back_is_not_left_waiting(carrier):
    async with talking(FakeCarrier(carrier)) as talk:
        await talk.put_on_hold()
        talk.far.answers[TAKE_BACK[carrier]] = NO
        await talk.person_says("busy")
        result = await talk.running.result()
        [*_, last] = talk.far.asked
        assert is_about(last.path, talk.call_id)
        assert last.path in talk.hung_up
    assert "could not be taken back" in result.reason


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_phone_that_closes_lets_a_caller_on_hold_and_the_person_go_at_once(carrier):
    async with talking(FakeCarrier(carrier), limits=PhoneLimits(shutdown_secs=1)) as talk:
        await talk.put_on_hold()
        began_secs = asyncio.get_running_loop().time()
    result = await talk.running.result()
    assert asyncio.get_running_loop().time() - began_secs < 5
    assert result.reason == "the phone closes"
    assert len(talk.hung_up) == 2


async def test_a_person_to_whom_telnyx_says_no_summary_gives_the_caller_back():
    async with talking(FakeCarrier("telnyx")) as talk:
        await talk.put_on_hold(summary="A question")
        talk.far.answers["/actions/speak"] = NO
        person = talk.far.new_id()
        await talk.telnyx_tells("call.answered", person)
        assert is_about(talk.hung_up[0], person)
        async with await talk.taken_back() as again:
            await again.until_answered()
    assert heard(again.heard) == UNREACHED


async def test_a_caller_and_a_person_whom_telnyx_does_not_join_are_both_let_go():
    async with talking(FakeCarrier("telnyx")) as talk:
        await talk.put_on_hold(summary="A question")
        person = talk.far.new_id()
        await talk.telnyx_tells("call.answered", person)
        talk.far.answers["/actions/bridge"] = NO
        await talk.telnyx_tells("call.speak.ended", person)
        assert len(talk.hung_up) == 2


async def test_a_second_transfer_while_one_is_under_way_is_refused():
    far = SlowCarrier("twilio")
    async with talking(far) as talk:
        far.held = ".json"
        first = asyncio.create_task(talk.running.transfer(PERSON, mode="warm"))
        await far.is_held.wait()
        with pytest.raises(PhoneError, match="already"):
            await talk.running.transfer(PERSON)
        far.let_go.set()
        await first
        await talk.call.until_ended()
        await talk.running.hang_up()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_handed_on_says_so_also_if_its_stream_ends_before_the_carrier_has_answered(carrier):
    far = SlowCarrier(carrier)
    async with talking(far) as talk:
        await talk.call.until_answered()
        far.held = {"telnyx": "/actions/transfer"}.get(carrier, HOLD[carrier])
        handing_on = asyncio.create_task(talk.running.transfer(PERSON))
        await far.is_held.wait()
        await talk.call.hang_up("carrier")
        await talk.call.until_ended()
        far.let_go.set()
        await handing_on
        result = await talk.running.result()
    assert (result.status, result.reason) == ("completed", "transferred")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_on_hold_is_not_handed_to_anybody_else(carrier):
    async with talking(FakeCarrier(carrier)) as talk:
        await talk.running.transfer(PERSON, mode="warm")
        with pytest.raises(PhoneError, match=r"being transferred already|has no stream"):
            await talk.running.transfer("+15550004444")
        assert talk.running.is_on_hold
        await talk.call.until_ended()
        await talk.running.hang_up()


async def test_a_sort_of_transfer_that_there_is_not_is_said():
    async with talking(FakeCarrier("twilio")) as talk:
        with pytest.raises(SettingsError, match="mode: 'blind' is neither 'cold' nor 'warm'"):
            await talk.running.transfer(PERSON, mode="blind")  # pyright: ignore[reportArgumentType]
        await talk.call.until_answered()
        assert talk.running.is_talking


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_whom_the_bot_called_may_wait_for_a_person_when_the_call_would_have_been_given_up(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            placed = await phone.call(PERSON, ring_secs=10)
            call_id, stream = await far.pick_up()
            async with far.local_call(call_id, stream) as call:
                await placed.until_answered()
                await asyncio.sleep(50)
                await placed.transfer(PERSON, mode="warm", ring_secs=25)
                await call.until_ended()
            await asyncio.sleep(30)
            assert (placed.is_over, placed.is_on_hold) == (False, True)
            await placed.hang_up()
