"""A local carrier against bots of a few lines: what it brings and obeys, and what it says where a bot takes no call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from voicepipe.errors import CallNotTakenError, PortTakenError, SettingsError
from voicepipe.local.carriers import LocalCarrier, Stream, new_telnyx_keys

pytestmark = pytest.mark.virtual_time
KEYS = new_telnyx_keys()
SECRETS = {"twilio": "token", "telnyx": KEYS.private, "plivo": "token"}


def local(name: str, **kwargs) -> LocalCarrier:
    return LocalCarrier(name, SECRETS[name], **kwargs)


class Bot:
    """Answers webhooks as `reply` says, and takes streams, on which it is silent."""

    def __init__(self, reply: Callable[[Bot, web.Request, bytes], web.Response]) -> None:
        self.reply = reply
        self.url = ""
        self.webhooks: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.starts: list[dict] = []
        self.last_messages: list[str] = []

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws") + "/media"

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.webhooks.append(request)
        self.bodies.append(body)
        answer = self.reply(self, request, body)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def media(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        last = ""
        async for message in socket:
            event = json.loads(message.data)
            last = event["event"]
            if last == "start":
                self.starts.append(event)
        self.last_messages.append(last)
        return socket


@asynccontextmanager
async def running(bot: Bot) -> AsyncIterator[Bot]:
    app = web.Application()
    app.router.add_get("/media", bot.media)
    app.router.add_post("/{path:.*}", bot.webhook)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield bot
    finally:
        await runner.cleanup()


def twiml(bot: Bot, _request: web.Request, _body: bytes) -> web.Response:
    return web.Response(text=f'<Response><Connect><Stream url="{bot.stream_url}"/></Connect></Response>')


async def test_a_webhook_goes_to_the_voice_address_unless_there_is_a_path():
    async with running(Bot(twiml)) as bot, local("twilio") as carrier:
        for path in ("", "/", "/mine?tenant=7"):
            call_id, stream = await carrier.ring(bot.url + path)
            assert call_id.encode() in bot.bodies[-1]
            assert stream == Stream(bot.stream_url)
    assert [str(one.rel_url) for one in bot.webhooks] == ["/twilio/voice", "/twilio/voice", "/mine?tenant=7"]


async def test_a_bot_that_believes_to_be_elsewhere_is_reached_here_and_signed_for_there():
    def reply(_bot, _request, _body):
        return web.Response(
            text='<Response><Connect><Stream url="wss://bot.example.com/media"/></Connect></Response>'
        )

    async with running(Bot(reply)) as bot, local("twilio", public_url="https://bot.example.com/") as carrier:
        call_id, stream = await carrier.ring(bot.url)
        async with carrier.local_call(call_id, stream) as call:
            await call.until(lambda: bool(bot.starts))
        fields = carrier.ringing(call_id)
        _, headers = carrier.exchange.signed("https://bot.example.com/twilio/voice", fields)
    assert bot.webhooks[0].headers["X-Twilio-Signature"] == headers["X-Twilio-Signature"]
    assert call.ended_by == "caller"
    assert bot.last_messages == ["stop"]


@pytest.mark.parametrize(
    ("status", "said"), [(403, "its key is another one"), (404, "no voice webhook"), (500, "did not take")]
)
async def test_of_a_bot_that_refuses_the_webhook_the_reason_is_said(status, said):
    async with running(Bot(lambda *_: web.Response(status=status))) as bot, local("plivo") as carrier:
        with pytest.raises(CallNotTakenError, match=f"status {status}: .*{said}") as refused:
            await carrier.ring(bot.url + "/x?secret=1")
    assert refused.value.status == status
    assert "secret" not in str(refused.value)


async def test_where_nobody_listens_that_is_said():
    async with local("twilio") as carrier:
        with pytest.raises(CallNotTakenError, match="nobody listens there"):
            await carrier.ring("http://127.0.0.1:1")
        with pytest.raises(SettingsError, match="url: 'bot' is no address"):
            await carrier.ring("bot")


async def asks(carrier: LocalCarrier, call_id: str, action: str, **wish) -> None:
    url = f"{carrier.api_url}/v2/calls/{call_id.replace(':', '%3A')}/actions/{action}"
    async with ClientSession() as session, session.post(url, json=wish) as response:
        assert response.status == 200


async def test_telnyx_tells_that_a_call_was_answered_to_a_bot_that_opens_its_stream_then():
    async with local("telnyx") as carrier:

        async def reply(bot, _request, body):
            event = json.loads(body)["data"]
            call_id = event["payload"]["call_control_id"]
            if event["event_type"] == "call.initiated":
                await asks(carrier, call_id, "answer")
            else:
                both = {"stream_url": bot.stream_url, "stream_bidirectional_mode": "rtp"}
                await asks(carrier, call_id, "streaming_start", **both)
            return web.Response()

        async with running(Bot(reply)) as bot:
            call_id, stream = await carrier.ring(bot.url)
            assert stream == Stream(bot.stream_url)
            await carrier.tell_end(bot.url, call_id)
    kinds = [json.loads(body)["data"]["event_type"] for body in bot.bodies]
    assert kinds == ["call.initiated", "call.answered", "call.hangup"]


async def test_of_a_bot_that_never_commands_telnyx_is_said_where_it_should():
    async with running(Bot(lambda *_: web.Response())) as bot, local("telnyx") as carrier:
        with pytest.raises(CallNotTakenError, match=r"TELNYX_API_URL=http://127.0.0.1:\d+"):
            await carrier.ring(bot.url)


async def test_of_a_bot_that_refuses_a_call_that_is_said():
    async with local("telnyx") as carrier:

        async def reply(_bot, _request, body):
            call_id = json.loads(body)["data"]["payload"]["call_control_id"]
            await asks(carrier, call_id, "reject", cause="USER_BUSY")
            return web.Response()

        async with running(Bot(reply)) as bot:
            with pytest.raises(CallNotTakenError, match="refused the call"):
                await carrier.ring(bot.url)


REQUESTS = {
    "hangs up": ({"Status": "completed"}, "bot", None),
    "hands on": (
        {"Twiml": "<Response><Dial><Number>+1555</Number></Dial></Response>"},
        "carrier",
        "+1555",
    ),
}


@pytest.mark.parametrize("what", list(REQUESTS))
async def test_a_request_for_a_call_ends_its_stream(what):
    fields, by, to = REQUESTS[what]
    async with running(Bot(twiml)) as bot, local("twilio") as carrier:
        call_id, stream = await carrier.ring(bot.url)
        async with carrier.local_call(call_id, stream) as call:
            url = f"{carrier.api_url}/2010-04-01/Accounts/AC/Calls/{call_id}.json"
            async with ClientSession() as session, session.post(url, data=fields) as response:
                assert response.status == 200
            await call.until_ended()
    assert call.ended_by == by
    assert carrier.handed_on.get(call_id) == to
    [asked] = carrier.asked
    assert asked.fields.items() >= fields.items()


async def test_a_request_that_is_answered_with_an_error_does_nothing():
    async with running(Bot(twiml)) as bot, local("twilio") as carrier:
        call_id, stream = await carrier.ring(bot.url)
        carrier.answers[".json"] = (404, {"code": 20404})
        async with carrier.local_call(call_id, stream) as call:
            url = f"{carrier.api_url}/2010-04-01/Accounts/AC/Calls/{call_id}.json"
            async with (
                ClientSession() as session,
                session.post(url, data={"Status": "completed"}) as response,
            ):
                assert response.status == 404
            assert not call.has_ended
    assert call.ended_by == "caller"


async def test_a_body_that_cannot_be_read_is_refused():
    async with local("plivo") as carrier, ClientSession() as session:
        headers = {"Content-Type": "application/json"}
        for body in (b"{", b"[]"):
            async with session.post(f"{carrier.api_url}/x", data=body, headers=headers) as response:
                assert response.status == 400
        assert carrier.asked == []


async def test_a_port_that_is_taken_is_said():
    async with local("twilio") as carrier:
        port = int(carrier.api_url.rpartition(":")[2])
        with pytest.raises(PortTakenError):
            async with local("twilio", api_port=port):
                pass


def test_a_carrier_that_there_is_not_is_refused_and_no_secret_is_shown():
    with pytest.raises(SettingsError, match="carrier: 'vonage' is none of twilio, telnyx, plivo"):
        LocalCarrier("vonage", "x")
    assert LocalCarrier("telnyx", KEYS.private).bot_key == KEYS.public
    assert KEYS.private not in repr(local("telnyx"))
