"""What a phone is served with and for how long: agents, addresses, ports, signals, shutdown, and who waits for it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from loguru import logger

from tests.support.phones import CARRIERS, FakeCarrier, hears_busy, silent_agent
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import CarrierRefusedError, PhoneError, PortTakenError, SettingsError
from voicepipe.phone import OpenAIRealtime, Phone, PhoneLimits, Telnyx, Twilio

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("carrier", ["twilio", Twilio])
def test_what_is_no_account_at_a_carrier_is_said(carrier):
    with pytest.raises(SettingsError, match=r"carrier: .* is no account at a carrier: Twilio\(\)"):
        Phone(carrier=carrier)


async def test_what_is_no_agent_is_said_before_there_are_calls():
    phone = FakeCarrier("twilio").phone()
    with pytest.raises(SettingsError, match="agent: a str is no agent"):
        await phone.serve("hello", port=0)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("port", [-1, 65_536])
async def test_what_is_no_port_is_said(port, monkeypatch):
    phone = FakeCarrier("twilio").phone()
    with pytest.raises(SettingsError, match=r"port: .* is none of 0 to 65535"):
        await phone.serve(port=port)
    monkeypatch.setenv("PORT", "99999")
    with pytest.raises(SettingsError, match="port: 99999"):
        await phone.serve()
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SettingsError, match="PORT is 'http'"):
        await phone.serve()


@pytest.mark.parametrize("host", ["203.0.113.9", "http://127.0.0.1", "::zz"])
async def test_what_is_no_address_of_the_machine_is_said(host):
    with pytest.raises(SettingsError, match=r"host: .* is no address of this machine"):
        await FakeCarrier("twilio").phone().serve(host=host, port=0)


@pytest.mark.parametrize(
    "address",
    [
        "wss://bot.example.com",
        "https:bot.example.com",
        "https://bot.example.com:99999",
        "https://bot.example.com:port",
        "https://[::1",
        "https://bot.example.com/?a=b",
        "https://bot.example.com/#a",
        "https://bot example.com",
        "https://",
    ],
)
async def test_what_is_no_public_address_is_said(address):
    phone = FakeCarrier("twilio").phone(public_url=address)
    with pytest.raises(SettingsError, match=r"public_url: .* is no address like"):
        await phone.serve(port=0)


@pytest.mark.parametrize(
    "address", ["bot.example.com", " https://bot.example.com/ ", "https://bot.example.com"]
)
async def test_a_public_address_may_be_written_as_people_write_it(address):
    phone = FakeCarrier("twilio").phone(public_url=address)
    async with phone.serving(port=0) as door:
        assert door.url("voice") == "https://bot.example.com/twilio/voice"


@pytest.mark.parametrize(
    ("address", "is_said"), [("http://bot.example.com", True), ("http://127.0.0.1:8000", False)]
)
async def test_a_public_address_without_tls_is_said(address, is_said):
    lines = []
    sink = logger.add(lines.append, level="WARNING")
    try:
        async with FakeCarrier("twilio").phone(public_url=address).serving(port=0):
            pass
    finally:
        logger.remove(sink)
    assert any("public_url: carriers open media streams over TLS" in line for line in lines) is is_said


@pytest.mark.parametrize("name", ["calls", "call_secs"])
@pytest.mark.parametrize("value", [0, -1, "5", None, float("nan")])
def test_a_bound_that_is_none_is_said(name, value):
    with pytest.raises(SettingsError, match=rf"limits\.{name}: .* is no number above 0"):
        PhoneLimits(**{name: value})
    if value is not None:
        with pytest.raises(SettingsError, match=r"max_call_secs: .* is no number above 0"):
            FakeCarrier("twilio").phone().agent(max_call_secs=value)


@pytest.mark.parametrize(
    "number",
    ["15550001234", 15550001234, "+1555", "+1\u0665\u0665\u0665\u0660\u0660\u0660\u0661", "+1 555 000 1234"],
)
def test_a_number_in_another_form_is_said(number):
    with pytest.raises(SettingsError, match=r"phone_number: .* is no number like '\+15550001234'"):
        Phone(carrier=FakeCarrier("twilio").carrier(), phone_number=number)


async def test_a_proxy_that_changes_the_address_is_said_once():
    """The carrier signs the address at which it reaches the phone, not the one that is behind the proxy."""
    lines = []
    sink = logger.add(lines.append, level="WARNING")
    try:
        async with FakeCarrier("twilio") as far:
            phone = far.phone(public_url="https://bot.example.com")
            async with phone.serving(silent_agent(phone), port=0) as door:
                for _ in range(2):
                    fields = far.ringing(far.new_id())
                    assert await far.tell(f"{door.local_url}/twilio/voice", fields) == (403, "")
    finally:
        logger.remove(sink)
    [line] = [line for line in lines if "signature" in line]
    assert "not twilio's for https://bot.example.com/twilio/voice with" in line
    assert "pass public_url" in line


async def test_a_phone_that_just_begins_to_serve_serves_already():
    phone = FakeCarrier("twilio").phone()
    first, second = (asyncio.create_task(phone.serve(port=0)) for _ in range(2))
    with pytest.raises(PhoneError, match="serves already"):
        await second
    await phone.until_serving()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_who_waits_for_a_phone_that_could_not_begin_waits_for_its_next_time():
    async with FakeCarrier("twilio") as far:
        phone = far.phone(public_url="https://bot.example.com")
        waiting = asyncio.create_task(phone.until_serving())
        await asyncio.sleep(0)
        far.answers[".json"] = (401, {"message": "Authenticate"})
        with pytest.raises(CarrierRefusedError, match="Authenticate"):
            await phone.serve(port=0, set_webhook=True)
        async with phone.serving(port=0) as door, asyncio.timeout(3):
            assert await waiting is door


@pytest.mark.parametrize("first_is_cancelled", [False, True])
async def test_a_signal_ends_all_phones_of_the_process(first_is_cancelled):
    before = signal.getsignal(signal.SIGTERM)
    phones = [FakeCarrier(name).phone() for name in ("twilio", "telnyx", "plivo")]
    serving = []
    for phone in phones:
        serving.append(asyncio.create_task(phone.serve(silent_agent(phone), port=0)))
        await phone.until_serving()
    # They wait for signals only then.
    await asyncio.sleep(0.1)
    if first_is_cancelled:
        serving[0].cancel()
        await asyncio.gather(serving.pop(0), return_exceptions=True)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await asyncio.gather(*serving)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_shutdown_lets_calls_end_and_refuses_new_ones(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        leave = asyncio.Event()
        url = ""

        async def serve():
            nonlocal url
            async with phone.serving(agent, port=0) as door:
                url = door.local_url
                ready.set()
                await leave.wait()

        ready = asyncio.Event()
        serving = asyncio.create_task(serve())
        await ready.wait()
        async with await far.call(url) as call:
            await call.say(spoken("hello"))
            leave.set()
            await call.until_answered()
            _, markup = await far.tell(f"{url}/{carrier}/voice", far.ringing(far.new_id()))
            hears_busy(far, markup)
            assert not serving.done()
        await serving
    assert heard(call.heard) == "Hello! How can I help you?"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_shutdown_waits_only_so_long(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0, limits=PhoneLimits(shutdown_secs=3)) as door:
            call = await far.call(door.local_url)
            await call.__aenter__()
            await call.say(spoken("hello"))
            [running] = phone.calls
        assert (await running.result()).reason == "the phone closes"
        await call.until_ended()
        await call.__aexit__()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_cancelled_phone_leaves_nothing(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        serving = asyncio.create_task(phone.serve(agent, port=0))
        door = await phone.until_serving()
        async with await far.call(door.local_url) as call:
            await call.say(spoken("hello"))
            serving.cancel()
            await call.until_ended()
            with pytest.raises(asyncio.CancelledError):
                await serving
    assert not phone.calls


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_sigterm_ends_serving_after_the_calls(carrier):
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        before = signal.getsignal(signal.SIGTERM)
        serving = asyncio.create_task(phone.serve(agent, port=0))
        door = await phone.until_serving()
        async with await far.call(door.local_url) as call:
            await call.say(spoken("hello"))
            os.kill(os.getpid(), signal.SIGTERM)
            await call.until_answered()
            assert signal.getsignal(signal.SIGTERM) is before
            assert not serving.done()
        await serving
    assert heard(call.heard) == "Hello! How can I help you?"


async def test_a_phone_that_could_not_check_webhooks_does_not_serve():
    phone = Phone(carrier=Telnyx(api_key="k"), phone_number="+15550001234")
    with pytest.raises(SettingsError, match="public_key"):
        async with phone.serving(port=0):
            pass


async def test_a_port_that_is_taken_and_serving_twice_are_said():
    async with FakeCarrier("twilio") as far:
        phone, other = far.phone(), far.phone()
        async with phone.serving(port=0) as door:
            port = int(door.local_url.rpartition(":")[2])
            with pytest.raises(PortTakenError):
                async with other.serving(port=port):
                    pass
            with pytest.raises(PhoneError, match="serves already"):
                async with phone.serving(port=0):
                    pass
