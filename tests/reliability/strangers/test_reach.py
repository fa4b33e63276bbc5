"""What a caller can talk the model into, and where the machine can be made to reach: nowhere that was not named before."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from aiohttp import web

import voicepipe
from tests.support.phones import NUMBER, PERSON, SECRET, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.errors import CarrierRefusedError, SettingsError
from voicepipe.phone import CallHooks, OpenAIRealtime, Phone, Twilio, transfer_call
from voicepipe.phone.numbers import checked_keys, checked_number

PACKAGE = Path(voicepipe.__file__).parent
TALKS_TO_THE_NET = {
    "phone/carriers/rest.py": "the carrier's API, at the application's address",
    "services/elevenlabs/convai/access.py": "the API's signed URLs, at the application's address",
    "local/carriers/carrier.py": "the bot under test, at the user's address",
    "local/brain/llm.py": "the model of the local server, at the user's address",
}
"""The only files that ask an HTTP server for something, and where the address comes from."""
_ASKS = {"request", "get", "post", "put", "urlopen", "create"}


def asks_http(path: Path) -> bool:
    """Whether a file imports what makes HTTP requests, beyond types and servers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        clients = ("httpx", "requests", "urllib.request", "urllib3", "openai", "aiohttp.ClientTimeout")
        if any(name == client or name.startswith(f"{client}.") for name in names for client in clients):
            return True
    return "aiohttp.ClientSession(" in path.read_text(encoding="utf-8")


def test_http_is_asked_in_these_places_and_in_no_other():
    asking = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if asks_http(path)}
    assert asking == set(TALKS_TO_THE_NET)


INSIDE = "http://169.254.169.254/latest/meta-data"


async def test_a_carriers_redirect_is_not_followed_to_another_host():
    reached: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        reached.append(request.headers.get("Authorization", "none"))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", inside)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    other = f"http://127.0.0.1:{runner.addresses[0][1]}/"

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(other)

    async with FakeCarrier("twilio"):
        door = web.Application()
        door.router.add_route("*", "/{path:.*}", redirect)
        leads_on = web.AppRunner(door)
        await leads_on.setup()
        await web.TCPSite(leads_on, "127.0.0.1", 0).start()
        led_on = f"http://127.0.0.1:{leads_on.addresses[0][1]}"
        carrier = Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url=led_on)
        phone = Phone(carrier=carrier, phone_number=NUMBER)
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url="ws://127.0.0.1:9/v1/realtime"))
        async with phone.serving(agent, port=0, public_url="https://bot.example.com"):
            with pytest.raises(CarrierRefusedError, match="307"):
                await phone.call(PERSON)
        await leads_on.cleanup()
    await runner.cleanup()
    assert reached == []


class _Call:
    """A call that takes note of where it is handed to."""

    def __init__(self) -> None:
        self.handed_to: list[str] = []

    def transfer_soon(self, to: str, **_: object) -> None:
        self.handed_to.append(to)


@pytest.mark.parametrize(
    "to", ["+19005550000", "Sales", "sales ", "", "sales\n+19005550000", "sip:evil@example.com", PERSON]
)
async def test_the_model_hands_a_call_to_nobody_but_those_who_were_named(to):
    call = _Call()
    tool = transfer_call({"sales": PERSON})
    answer = await tool.handler(to, call=call)
    assert "nobody called" in answer
    assert call.handed_to == []
    await tool.handler("sales", call=call)
    assert call.handed_to == [PERSON]


NO_NUMBERS = [
    "",
    "900",
    "+0",
    "+1555000111122223333",
    "+1 555 000 1111",
    "+15550001111;postd=9",
    "sip:evil@example.com",
    "+15550001111\n",
    "+15550001111,,9",
    "client:evil",
    "+١٥٥٥٠٠٠١١١١",
]


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_telephone_number_is_not_dialled(number):
    with pytest.raises(SettingsError):
        checked_number("to", number)


@pytest.mark.parametrize("keys", ["", "1a", "1\n", "w1", "+1", "１", "1 2", "A"])
def test_what_is_no_key_is_not_pressed(keys):
    with pytest.raises(SettingsError):
        checked_keys(keys)


@pytest.mark.virtual_time
async def test_a_caller_cannot_talk_the_bot_into_a_number_of_their_own():
    script = """
rules:
  - hear: transfer me
    call: {name: transfer_call, arguments: {to: "+19005550000"}}
    say: Done.
"""
    async with tone_server(script) as server, FakeCarrier("twilio") as far:
        phone, results = far.phone(), list[str]()
        agent = phone.agent(
            engine=OpenAIRealtime(api_key="k", base_url=server.url),
            tools=[transfer_call({"sales": PERSON})],
            hooks=CallHooks(on_tool=lambda call, use: results.append(str(use.result))),
        )
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.say(spoken("transfer me"))
            await call.until_answered()
            asked = [str(one.fields) for one in far.asked]
    assert any("nobody called '+19005550000'" in one for one in results)
    assert not any("900555" in one for one in asked)
