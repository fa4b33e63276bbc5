"""P-22 and the doors of a phone: who is not let in, that they learn nothing, and that calls go on unharmed."""

from __future__ import annotations

import asyncio
import time
from io import BytesIO
from urllib.parse import urlencode, urlsplit

import pytest
from loguru import logger
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.reliability.strangers.raw import asked, get, host_of, status_of
from tests.support.phones import CALLER, CARRIERS, PERSON, SECRET, FakeCarrier, hears_busy, silent_agent
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CallNotTakenError, CarrierRefusedError, SettingsError
from voicepipe.local.carriers import LocalCall, PlivoDialect, TelnyxDialect, TwilioDialect
from voicepipe.phone import CallHooks, OpenAIRealtime, PhoneLimits
from voicepipe.phone.carriers.twilio import signature as twilio_signature

pytestmark = pytest.mark.virtual_time
SIGNED = [
    ("X-Twilio-Signature: \u00e9",),
    ("X-Plivo-Signature-V3: \u00e9", "X-Plivo-Signature-V3-Nonce: \u00e9"),
    (f"telnyx-timestamp: {int(time.time())}", "telnyx-signature-ed25519: \u00e9"),
    (f"telnyx-timestamp: {int(time.time())}", "telnyx-signature-ed25519: AAAA"),
    ("telnyx-timestamp: \u0661\u0662", "telnyx-signature-ed25519: AAAA"),
]
DIALECTS = {"twilio": TwilioDialect, "telnyx": TelnyxDialect, "plivo": PlivoDialect}


def path_and_query(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p22_a_forged_signature_is_refused_without_a_word(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            url = f"{door.local_url}/{carrier}/voice"
            body, headers = far.signed(url, far.ringing(far.new_id()))
            changed = body.replace(CALLER[1:].encode(), b"15559999999")
            assert changed != body
            assert await far.send(url, changed, headers) == (403, "")
            unsigned = {"Content-Type": headers["Content-Type"]}
            assert await far.send(url, body, unsigned) == (403, "")
            if carrier != "telnyx":
                assert await far.send(url + "?call=1", body, headers) == (403, "")
            assert set(door.refusals) == {"signature"}
            assert not phone.calls
            assert not far.asked


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_replayed_webhook_is_refused(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            url = f"{door.local_url}/{carrier}/voice"
            body, headers = far.signed(url, far.ringing(far.new_id()))
            assert (await far.send(url, body, headers))[0] == 200
            assert await far.send(url, body, headers) == (403, "")
            assert door.refusals == {"replay": 1}
            assert len(phone.calls) == 1
            [call] = phone.calls
            # Another webhook for the same call opens no second stream either.
            assert (await far.tell(url, far.ringing(call.carrier_call_id)))[0] == 403


@pytest.mark.parametrize("carrier", ["telnyx", "plivo"])
async def test_a_call_that_is_told_twice_while_its_agent_is_chosen_is_one_call(carrier):
    """Each is signed anew, as carriers do that ask again when no answer comes."""
    is_asked, is_chosen = asyncio.Event(), asyncio.Event()
    async with FakeCarrier(carrier) as far:
        phone = far.phone()

        async def choose(caller):
            is_asked.set()
            await is_chosen.wait()
            return silent_agent(phone)

        async with phone.serving(choose, port=0) as door:
            url, fields = f"{door.local_url}/{carrier}/voice", far.ringing(far.new_id())
            first = asyncio.create_task(far.tell(url, fields))
            await is_asked.wait()
            assert await far.tell(url, {**fields, "again": "1"}) == (403, "")
            is_chosen.set()
            assert (await first)[0] == 200
            assert len(phone.calls) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_calls_whose_agent_is_being_chosen_count_as_calls(carrier):
    is_asked, is_chosen = asyncio.Event(), asyncio.Event()
    async with FakeCarrier(carrier) as far:
        phone = far.phone()

        async def choose(caller):
            is_asked.set()
            await is_chosen.wait()
            return silent_agent(phone)

        async with phone.serving(choose, port=0, limits=PhoneLimits(calls=1)) as door:
            url = f"{door.local_url}/{carrier}/voice"
            first = asyncio.create_task(far.tell(url, far.ringing(far.new_id())))
            await is_asked.wait()
            _, markup = await far.tell(url, far.ringing(far.new_id()))
            hears_busy(far, markup)
            is_chosen.set()
            assert (await first)[0] == 200
            assert len(phone.calls) == 1


async def test_twilios_webhooks_may_come_as_get():
    async with FakeCarrier("twilio") as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            call_id = far.new_id()
            url = f"{door.local_url}/twilio/voice?{urlencode(far.ringing(call_id))}"
            signed = twilio_signature(SECRET, url)
            answer = await asked(url, get(path_and_query(url), host_of(url), f"X-Twilio-Signature: {signed}"))
            assert (status_of(answer), b"<Connect><Stream" in answer) == (200, True)
            [call] = phone.calls
            assert (call.carrier_call_id, call.caller) == (call_id, CALLER)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("host", ["x:99999", "x:port", "[::1", "x]", "ex\u2100mple"])
async def test_a_host_that_is_none_is_refused(carrier, host):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            for signed in SIGNED:
                answer = await asked(door.local_url, get(f"/{carrier}/voice", host, *signed))
                assert status_of(answer) == 403
            assert not phone.calls


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_signature_that_is_no_text_of_a_signature_is_refused(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            for signed in SIGNED:
                answer = await asked(
                    door.local_url, get(f"/{carrier}/voice", host_of(door.local_url), *signed)
                )
                assert status_of(answer) == 403
            assert set(door.refusals) <= {"signature", "replay"}


@pytest.mark.parametrize("late_secs", [-400, 400])
async def test_a_webhook_of_another_time_is_refused(late_secs):
    async with FakeCarrier("telnyx") as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            url = f"{door.local_url}/telnyx/voice"
            signed = far.signed(url, far.ringing("v3:1"), at_secs=time.time() + late_secs)
            assert await far.send(url, *signed) == (403, "")
            assert door.refusals == {"replay": 1}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_stream_without_a_token_or_with_a_wrong_one_is_closed(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            call_id, stream = await far.ring(door.local_url)
            assert not any(value in stream.url for value in stream.parameters.values())
            for parameters in ({}, dict.fromkeys(stream.parameters, "0" * 32)):
                async with LocalCall(stream.url, carrier, call_id=call_id, parameters=parameters) as wrong:
                    await wrong.until_ended()
            # The right token for another call.
            async with LocalCall(stream.url, carrier, parameters=stream.parameters) as wrong:
                await wrong.until_ended()
            assert door.refusals == {"token": 3}
            # Whose call it is was not harmed.
            async with far.local_call(call_id, stream) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
    assert heard(call.heard) == "Hello! How can I help you?"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_token_is_good_for_one_stream(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            call_id, stream = await far.ring(door.local_url)
            async with far.local_call(call_id, stream) as call:
                await call.say(spoken("hello"))
                with pytest.raises(InvalidStatus) as refused:
                    await connect(stream.url)
                assert refused.value.response.status_code == 403
                await call.until_answered()
            with pytest.raises(InvalidStatus):
                await connect(stream.url)
            with pytest.raises(InvalidStatus):
                await connect(stream.url.rpartition("/")[0] + "/0123")
            assert door.refusals == {"stream": 3}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_two_streams_that_come_at_once_with_one_token_are_one_call(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            call_id, stream = await far.ring(door.local_url)
            calls = [far.local_call(call_id, stream) for _ in range(2)]
            await asyncio.gather(*(call.__aenter__() for call in calls))
            assert len(phone.calls) == 1
            done = [asyncio.create_task(call.until_ended()) for call in calls]
            await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
            assert sum(call.has_ended for call in calls) == 1
            await asyncio.gather(*(call.__aexit__() for call in calls))
            await asyncio.gather(*done)
            assert door.refusals == {"token": 1}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_ticket_that_nobody_comes_with_runs_out(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            _, stream = await far.ring(door.local_url)
            [call] = phone.calls
            result = await call.result()
            assert result.reason == "the carrier did not open its media stream"
            with pytest.raises(InvalidStatus):
                await connect(stream.url)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_body_of_20_mb_is_refused_and_calls_go_on(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            url = f"{door.local_url}/{carrier}/voice"
            try:
                status, _ = await far.send(url, BytesIO(b"x" * 20_000_000), {"Content-Type": "text/plain"})
            except CallNotTakenError:
                # It may as well stop reading while the rest is on its way.
                status = 413
            assert status == 413
            assert door.refusals["body"] == 1
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_message_that_is_too_large_ends_its_stream_alone(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        limits = PhoneLimits(message_bytes=10_000)
        async with phone.serving(silent_agent(phone), port=0, limits=limits) as door:
            _, stream = await far.ring(door.local_url)
            async with connect(stream.url) as socket:
                await socket.send("x" * 20_000)
                with pytest.raises(ConnectionClosed):
                    await socket.recv()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_stream_that_falls_silent_is_taken_for_gone(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        limits = PhoneLimits(silent_stream_secs=7)
        async with phone.serving(agent, port=0, limits=limits) as door:
            call_id, stream = await far.ring(door.local_url)
            opening = DIALECTS[carrier](1, call_id).opening(stream.parameters, both_tracks=False)
            async with connect(stream.url) as socket:
                for message in opening:
                    await socket.send(message)
                [call] = phone.calls
                await call.until_answered()
                result = await call.result()
            assert 6.5 < result.duration_secs < 8.5
            assert result.reason == "nothing came from the carrier for too long"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_one_call_too_many_hears_the_busy_tone(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0, limits=PhoneLimits(calls=1)) as door:
            await far.ring(door.local_url)
            call_id = far.new_id()
            status, markup = await far.tell(f"{door.local_url}/{carrier}/voice", far.ringing(call_id))
            assert status == 200
            hears_busy(far, markup)
            assert len(phone.calls) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_no_secret_and_no_whole_number_is_shown(carrier):
    """In a call in with a failed and a done transfer, one too many, and a call out that is refused."""
    lines = []
    sink = logger.add(lines.append, level="TRACE")
    try:
        async with tone_server() as server, FakeCarrier(carrier) as far:
            phone = far.phone()
            engine = OpenAIRealtime(api_key="sk-a-key", base_url=server.url)
            agent = phone.agent(engine=engine)
            async with phone.serving(agent, port=0, limits=PhoneLimits(calls=1)) as door:
                call_id, stream = await far.ring(door.local_url)
                async with far.local_call(call_id, stream) as call:
                    await call.say(spoken("hello"))
                    [running] = phone.calls
                    shown = [repr(running), repr(agent), repr(phone.carrier), repr(stream.url)]
                    await far.tell(f"{door.local_url}/{carrier}/voice", far.ringing(far.new_id(), PERSON))
                    await running.transfer(PERSON)
                await running.result()
                far.answers[{"twilio": "/Calls.json", "telnyx": "/calls", "plivo": "/Call/"}[carrier]] = (
                    400,
                    {"message": f"The number you are attempting to call, {PERSON}, is not verified."},
                )
                with pytest.raises(CarrierRefusedError) as refused:
                    await phone.call(PERSON)
                with pytest.raises(SettingsError) as wrong:
                    await phone.call("+4")
    finally:
        logger.remove(sink)
    # Who asked is told which number it was; the log is not.
    assert PERSON in str(refused.value)
    shown.append(str(wrong.value))
    token = next(iter(stream.parameters.values()))
    for text in [*shown, *lines]:
        for secret in (SECRET, "sk-a-key", token, CALLER, PERSON):
            assert secret not in str(text)
            assert secret.removeprefix("+") not in str(text)
    # The numbers are there, as far as they may be.
    assert any("***1111" in str(line) for line in lines)
    assert any("***3333" in str(line) for line in lines)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_is_at_no_path_of_ours_finds_nothing_and_calls_go_on(carrier):
    others = [name for name in CARRIERS if name != carrier]
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door:
            fields = far.ringing(far.new_id())
            for path in (
                "/",
                "/voice",
                f"/{carrier}",
                f"/{carrier}/voices",
                f"/{carrier}/voice/../voice/x",
                *(f"/{name}/voice" for name in others),
            ):
                assert (await far.tell(door.local_url + path, fields))[0] == 404
            # Markup that nobody kept, and a stream's address that is asked for as a page.
            nothing = f"{door.local_url}/{carrier}/markup?key=0"
            # Telnyx never comes for markup.
            refused = (400, "") if carrier == "telnyx" else (403, "")
            assert await far.tell(nothing, {"CallSid": "x", "CallUUID": "x"}) == refused
            assert (await far.tell(f"{door.local_url}/{carrier}/media/0", fields))[0] == 405
            assert not phone.calls
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_webhook_that_cannot_be_followed_is_said_and_the_next_call_is_taken(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()

        def choose(caller):
            if caller.caller.endswith("9"):
                return "an agent"
            return phone.agent(max_call_secs=0) if caller.caller.endswith("8") else silent_agent(phone)

        async with phone.serving(choose, port=0) as door:
            url = f"{door.local_url}/{carrier}/voice"
            for caller in ("+15550009999", "+15550008888"):
                assert (await far.tell(url, far.ringing(far.new_id(), caller)))[0] == 502
            assert not phone.calls
            await far.ring(door.local_url)
            assert len(phone.calls) == 1


async def test_a_call_that_telnyx_does_not_let_us_answer_is_over():
    async with FakeCarrier("telnyx") as far:
        far.answers["/actions/answer"] = (
            422,
            {"errors": [{"code": "90018", "title": "Call has already ended"}]},
        )
        phone = far.phone()
        async with phone.serving(silent_agent(phone), port=0) as door:
            url = f"{door.local_url}/telnyx/voice"
            assert (await far.tell(url, far.ringing(far.new_id())))[0] == 200
            assert not phone.calls


async def test_an_engine_that_breaks_ends_its_call_and_no_other():
    class Broken:
        kind = model = ""

        def bot(self, brief):
            raise LookupError("no engine today")

    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        good = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        bad = phone.agent(engine=Broken())
        async with phone.serving(lambda caller: agents.pop(), port=0) as door:
            agents = [good, bad]
            async with await far.call(door.local_url) as call:
                await call.until_ended()
            assert not phone.calls
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
    assert heard(call.heard) == "Hello! How can I help you?"


async def test_an_engine_that_cannot_connect_ends_the_call_and_says_why():
    async with FakeCarrier("telnyx") as far:
        phone = far.phone()
        errors = []
        hooks = CallHooks(on_error=lambda call, message: errors.append(message))
        agent = phone.agent(
            engine=OpenAIRealtime(api_key="k", base_url="ws://127.0.0.1:9/v1/realtime"), hooks=hooks
        )
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                [running] = phone.calls
                await call.until_ended()
            result = await running.result()
        assert far.asked_for("/actions/hangup")
    assert result.status == "failed"
    assert errors
