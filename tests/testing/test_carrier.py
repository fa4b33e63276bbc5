"""A telephone call of a test: what a phone answers that does not take it is said in one error."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from voicepipe.errors import PhoneError
from voicepipe.phone import Agent, OpenAIRealtime, Phone
from voicepipe.testing.carrier import dialled


@pytest.fixture
def webhook_answers(monkeypatch):
    """Have a phone's webhook answer this."""

    def answer(status: int, text: str) -> None:
        async def handle(_request: web.Request) -> web.Response:
            return web.Response(status=status, text=text)

        @asynccontextmanager
        async def serving(*_: object, **__: object):
            app = web.Application()
            app.router.add_post("/twilio/voice", handle)
            runner = web.AppRunner(app, handle_signals=False, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield SimpleNamespace(local_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
            finally:
                await runner.cleanup()

        monkeypatch.setattr(Phone, "serving", serving)

    return answer


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (500, "500 Internal Server Error", r"is not XML.*answered 500 '500 Internal Server Error'"),
        (200, "", r"is not XML.*answered 200 ''"),
        (200, "<Response><Reject reason='busy'/></Response>", r"refused the call \(busy\).*answered 200"),
        (200, "<Response><Say>Hello</Say></Response>", r"opens no media stream, it has <Say>"),
        (200, "<Response><Connect><Stream/></Connect></Response>", r"<Stream> has no url"),
        (502, "<html>" + "x" * 5000, r"is not XML.*answered 502 '<html>x{294}\.\.\.'$"),
    ],
)
async def test_a_phone_that_does_not_take_a_call_says_what_its_webhook_answered(
    status, text, why, webhook_answers
):
    webhook_answers(status, text)
    agent = Agent(engine=OpenAIRealtime(api_key="any"), system_prompt="Be brief.")
    with pytest.raises(PhoneError, match=why):
        async with dialled(agent, []):
            pytest.fail("there is no call")
