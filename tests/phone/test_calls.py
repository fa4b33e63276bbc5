"""Whole calls: webhook, media stream, engine, the local API, and back, on each carrier's wire."""

from __future__ import annotations

import pytest

from tests.support.phones import CALLER, CARRIERS, NUMBER, PERSON, SECRET, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CarrierRefusedError, SettingsError
from voicepipe.local import LocalServer, Pace
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.carriers.keypad import keys_in
from voicepipe.local.speech.engines import speech_engine
from voicepipe.phone import CallHooks, OpenAIRealtime, end_call, transfer_call

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


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p21_streams_are_opened_both_ways(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=OpenAIRealtime(api_key="k")), port=0) as door:
            url = f"{door.local_url}/{carrier}/voice"
            _, markup = await far.tell(url, far.ringing(far.new_id()))
            if carrier == "telnyx":
                [asked] = far.asked_for("/actions/answer")
                assert asked.fields["stream_bidirectional_mode"] == "rtp"
                assert asked.fields["stream_bidirectional_target_legs"] == "self"
            else:
                both_ways = {"twilio": "<Connect><Stream ", "plivo": '<Stream bidirectional="true"'}
                assert both_ways[carrier] in markup
                assert "<Start>" not in markup


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_barge_in_cuts_the_bot_where_the_caller_was(carrier):
    events = []
    pace = Pace(delta_ms=100, speed=1.1)
    async with (
        tone_server(pace=pace, on_event=lambda way, e: events.append((way, dict(e)))) as server,
        FakeCarrier(carrier) as far,
    ):
        phone = far.phone()
        agent = phone.agent(engine=engine(server))
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("count to twenty"))
                await call.until_played(1000)
                [running] = phone.calls
                await call.say(spoken("where did you stop"))
                await call.until_answered()
            result = await running.result()
    [cut] = [cut for cut in call.cuts if cut.dropped_ms]
    [truncate] = [e for way, e in events if way == "in" and e["type"] == "conversation.item.truncate"]
    assert abs(truncate["audio_end_ms"] - cut.played_ms) <= 40
    assert "You stopped me after" in heard(call.heard)
    assert [turn.is_interrupted for turn in result.transcript if turn.role == "assistant"] == [True, False]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_go_both_ways(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.press("15#")
                await call.until_answered()
                [running] = phone.calls
                before_ms = call.played_ms
                await running.send_dtmf("42")
                if carrier == "plivo":
                    await call.until(lambda: call.keys == "42")
                else:
                    # Those take no keys on a stream: the tones are heard.
                    await call.until_answered(after_ms=before_ms)
                    assert keys_in(call.heard) == "42"
                with pytest.raises(SettingsError, match="keys"):
                    await running.send_dtmf("4a")
            result = await running.result()
    pressed = [turn.text for turn in result.transcript if turn.text.startswith("[DTMF")]
    assert pressed == ["[DTMF: 1]", "[DTMF: 5]", "[DTMF: #]"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_bot_hangs_up_after_it_was_heard(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_played(100)
                [running] = phone.calls
                await running.hang_up("all said")
                await call.until_ended()
            result = await running.result()
        hang_ups = far.asked_for("/actions/hangup")
    assert heard(call.heard) == "Hello! How can I help you?"
    assert (result.status, result.reason) == ("completed", "all said")
    # On Telnyx alone a call outlives its stream.
    assert len(hang_ups) == (1 if carrier == "telnyx" else 0)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_cold_transfer_hands_the_call_on_and_the_bot_leaves(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                with pytest.raises(SettingsError, match="to:"):
                    await running.transfer("12")
                await running.transfer(PERSON)
                await call.until_ended()
            result = await running.result()
            if carrier == "twilio":
                [asked] = far.asked_for(f"/Calls/{running.carrier_call_id}.json")
                assert PERSON in asked.fields["Twiml"]
            elif carrier == "telnyx":
                [asked] = far.asked_for("/actions/transfer")
                assert asked.fields == {"to": PERSON}
            else:
                [asked] = far.asked_for(f"/Call/{running.carrier_call_id}/")
                status, markup = await far.tell(asked.fields["aleg_url"], {"CallUUID": "x"})
                assert (status, PERSON in markup) == (200, True)
        assert not far.asked_for("/actions/hangup")
    assert (result.reason, running.is_transferred) == ("transferred", True)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_transfer_that_the_carrier_refuses_leaves_the_bot_in_the_call(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with (
            phone.serving(phone.agent(engine=engine(server)), port=0) as door,
            await far.call(door.local_url) as call,
        ):
            await call.say(spoken("hello"))
            [running] = phone.calls
            end = {"twilio": ".json", "telnyx": "/actions/transfer", "plivo": "/"}[carrier]
            far.answers[end] = (400, {"message": "no such number", "code": 21211})
            with pytest.raises(CarrierRefusedError, match="status 400") as refusal:
                await running.transfer(PERSON)
            assert SECRET not in str(refusal.value)
            await call.say(spoken("hello"))
            await call.until_answered()
            assert running.is_talking
            assert not running.is_transferred


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_warm_transfer_tells_the_person_first(carrier):
    hold = "https://example.com/hold.mp3"
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                wish = {"mode": "warm", "summary": "A billing question", "hold_audio_url": hold}
                await running.transfer(PERSON, **wish)
                await call.until_ended()
            assert running.is_on_hold
            [*_, dialled] = far.asked_for("/Calls.json", "/calls", "/Call/")
            if carrier == "twilio":
                [asked] = far.asked_for(f"/Calls/{running.carrier_call_id}.json")
                assert hold in asked.fields["Twiml"]
                assert dialled.fields["To"] == PERSON
                assert "<Say>A billing question</Say>" in dialled.fields["Twiml"]
                person, told = far.new_id(), dialled.fields["StatusCallback"]
                await far.tell(told, {"CallSid": person, "CallStatus": "in-progress"})
                gone = await far.tell(told, {"CallSid": person, "CallStatus": "completed"})
            elif carrier == "plivo":
                [asked] = far.asked_for(f"/Call/{running.carrier_call_id}/")
                _, waiting = await far.tell(asked.fields["aleg_url"], {"CallUUID": "x"})
                assert "Conference" in waiting
                _, coming = await far.tell(dialled.fields["answer_url"], {"CallUUID": "y"})
                assert "A billing question" in coming
                gone = await far.tell(
                    dialled.fields["hangup_url"], {"CallUUID": "y", "CallStatus": "completed"}
                )
            else:
                assert far.asked_for("/actions/playback_start")[0].fields["audio_url"] == hold
                url, state = dialled.fields["webhook_url"], dialled.fields["client_state"]
                person = far.new_id()
                await far.tell(url, far.event("call.answered", person, client_state=state))
                [told] = far.asked_for(
                    f"/{person.replace(':', '%3A')}/actions/speak", f"{person}/actions/speak"
                )
                assert told.fields["payload"] == "A billing question"
                await far.tell(url, far.event("call.speak.ended", person, client_state=state))
                [joined] = far.asked_for("/actions/bridge")
                assert joined.fields == {"call_control_id": running.carrier_call_id}
                hung_up = far.event("call.hangup", person, client_state=state, hangup_cause="timeout")
                gone = await far.tell(url, hung_up)
            assert gone[0] == 200
            result = await running.result()
    assert (result.reason, running.is_transferred) == ("transferred", True)
    # Nobody is left for the caller then.
    ends = {"twilio": "POST", "telnyx": "POST", "plivo": "DELETE"}
    [*_, last] = far.asked
    assert last.method == ends[carrier]
    assert running.carrier_call_id.replace(":", "%3A") in last.path.replace(":", "%3A")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_is_recorded_from_the_beginning_until_told_otherwise(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        async with (
            phone.serving(phone.agent(engine=engine(server), record=True), port=0) as door,
            await far.call(door.local_url) as call,
        ):
            await call.say(spoken("hello"))
            await call.until_answered()
            [running] = phone.calls
            ends = ("/Recordings.json", "record_start", "/Record/")
            assert len(far.asked_for(*ends)) == 1
            await running.record(on=False)
            ends = ("/Recordings/Twilio.CURRENT.json", "record_stop", "/Record/")
            assert len(far.asked_for(*ends)) == (2 if carrier == "plivo" else 1)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_lasts_no_longer_than_it_may_and_says_so(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=engine(server), max_call_secs=20, max_call_message="Time is up.")
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.until_played(100)
                [running] = phone.calls
                await call.until_ended()
            result = await running.result()
    assert heard(call.heard) == "Time is up."
    assert result.reason == "the call reached its longest duration"
    assert 20 < result.duration_secs < 60


@pytest.mark.parametrize("engine_name", ["end_call", "transfer_call"])
async def test_the_model_ends_and_transfers_calls_by_ready_tools(engine_name):
    rules = {
        "end_call": {"name": "end_call", "arguments": {"reason": "done"}},
        "transfer_call": {"name": "transfer_call", "arguments": {"to": "sales", "summary": "wants to buy"}},
    }
    uses = []
    script = Script.model_validate(
        {"rules": [{"hear": "please", "call": rules[engine_name], "then": "Done."}]}
    )
    speech = speech_engine("tones")
    async with LocalServer(speech=speech, brain=ScriptBrain(script)) as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(
            engine=engine(server),
            tools=[end_call(), transfer_call({"sales": PERSON})],
            hooks=CallHooks(on_tool=lambda call, use: uses.append(use)),
        )
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.say(spoken("please"))
            await call.until_ended()
    [use] = uses
    assert use.name == engine_name
    if engine_name == "transfer_call":
        [*_, asked] = far.asked
        assert PERSON in asked.fields["Twiml"]
