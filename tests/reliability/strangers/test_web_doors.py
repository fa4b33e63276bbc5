"""The web servers of a phone and of the page, met by somebody who has a socket and bad intentions."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.reliability.strangers.raw import Stranger, asked, get, host_of, status_of
from tests.support.phones import FakeCarrier
from voicepipe.browser import BrowserServer
from voicepipe.phone import OpenAIRealtime, PhoneLimits
from voicepipe.phone.server import PhoneServer
from voicepipe.pipeline import Pipeline

pytestmark = pytest.mark.virtual_time

REQUEST_SECS = 10.0


@dataclass
class Door:
    """A web server, and a request of it that is answered with 200."""

    url: str
    post: str
    origin: str

    async def is_open(self) -> bool:
        path = "/health" if "phone" in self.origin else "/"
        return status_of(await asked(self.url, get(path, host_of(self.url)))) == 200


@asynccontextmanager
async def phone_door(**limits: float) -> AsyncIterator[tuple[FakeCarrier, PhoneServer]]:
    async with FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url="ws://127.0.0.1:9/v1/realtime"))
        async with phone.serving(agent, port=0, limits=PhoneLimits(**limits)) as door:
            yield far, door


@pytest_asyncio.fixture(params=["phone", "page"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    if request.param == "phone":
        async with phone_door() as (_, server):
            yield Door(server.local_url, "/twilio/voice", "phone")
    else:
        async with BrowserServer(lambda transport: Pipeline([transport.input()]), port=0) as server:
            yield Door(server.url, "/api/conversations", server.url.rstrip("/"))


async def secs_until_let_go(stranger: Stranger, first: bytes, drip: bytes) -> float:
    """Say something, then a little each second; return how long that is listened to."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    await stranger.send(first)
    answer = asyncio.create_task(stranger.answer())
    while not answer.done() and clock() - begun < 120:
        await stranger.send(drip)
        await asyncio.wait([answer], timeout=1)
    await answer
    await stranger.leave()
    return clock() - begun


@pytest.mark.parametrize(
    ("first", "drip"),
    [(b"", b""), (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"), (b"G", b"")],
    ids=["nothing", "a header a second", "one byte"],
)
async def test_who_does_not_come_to_the_point_is_let_go(door, first, drip):
    lasted = await secs_until_let_go(await Stranger.at(door.url), first, drip)
    assert REQUEST_SECS - 1 < lasted < REQUEST_SECS + 3
    assert await door.is_open()


async def test_a_body_that_comes_a_byte_a_second_is_not_waited_for(door):
    head = (
        f"POST {door.post} HTTP/1.1\r\nHost: {host_of(door.url)}\r\nOrigin: {door.origin}\r\n"
        "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    )
    lasted = await secs_until_let_go(await Stranger.at(door.url), head.encode(), b"x")
    assert REQUEST_SECS - 1 < lasted < 2 * REQUEST_SECS + 5
    assert await door.is_open()


async def test_a_connection_that_asked_once_is_not_kept_for_ever(door):
    stranger = await Stranger.at(door.url)
    request = get("/", host_of(door.url)).replace(b"Connection: close\r\n", b"")
    assert 60 < await secs_until_let_go(stranger, request, b"") < 90


@pytest.mark.parametrize(
    "lines",
    [["X-A: " + "b" * 20_000], [f"X-{number}: b" for number in range(5000)], ["Cookie: " + "c" * 1_000_000]],
    ids=["a long one", "many", "a megabyte"],
)
async def test_a_flood_of_headers_is_refused_before_it_is_read(door, lines):
    answer = await asked(door.url, get("/", host_of(door.url), *lines))
    assert status_of(answer) in (0, 400, 431)
    assert await door.is_open()


async def test_one_connection_too_many_is_closed_and_the_others_stay():
    async with phone_door(connections=20) as (far, server):
        strangers = [await Stranger.at(server.local_url) for _ in range(40)]
        turned_away = [stranger for stranger in strangers if await _is_closed(stranger)]
        assert len(turned_away) == 20
        # When they have been let go, carriers get in again.
        await asyncio.sleep(REQUEST_SECS + 1)
        assert (await far.tell(f"{server.local_url}/twilio/voice", far.ringing(far.new_id())))[0] == 200
        for stranger in strangers:
            await stranger.leave()


async def _is_closed(stranger: Stranger) -> bool:
    try:
        async with asyncio.timeout(0.5):
            return await stranger.reader.read(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


PATHS = [
    "/../doors.py",
    "/%2e%2e/doors.py",
    "/..%2f..%2fserver.py",
    "/page.js/../../server.py",
    "//etc/passwd",
    "/etc/passwd",
    "/.env",
    "/twilio/../../etc/passwd",
    "/twilio/media/..%2F..%2Fetc%2Fpasswd",
    "/twilio/media/%00",
    "/twilio/voice%00",
    "/api/conversations/..%2f..%2fpage.js/end",
    "/page.js%00.html",
    "\\..\\..\\server.py",
    "/%c0%ae%c0%ae/server.py",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_leads_to_nothing_but_what_is_served(door, path):
    answer = await asked(door.url, get(path, host_of(door.url)))
    assert status_of(answer) in (0, 400, 403, 404)
    assert b"import" not in answer
    assert b"root:" not in answer


async def test_a_body_that_inflates_to_100_mb_is_refused_as_too_large(door):
    bomb = gzip.compress(bytes(100_000_000))
    head = (
        f"POST {door.post} HTTP/1.1\r\nHost: {host_of(door.url)}\r\nOrigin: {door.origin}\r\n"
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
        f"Content-Length: {len(bomb)}\r\n\r\n"
    )
    answer = await asked(door.url, head.encode() + bomb)
    assert status_of(answer) in (0, 400, 413)
    assert await door.is_open()


async def test_forged_webhooks_in_their_thousands_leave_nothing_behind():
    async with phone_door() as (far, server):
        url = f"{server.local_url}/twilio/voice"
        for number in range(1000):
            headers = {"X-Twilio-Signature": f"forged{number}", "Content-Type": "text/plain"}
            assert await far.send(url, b"x" * 100, headers) == (403, "")
        assert server.refusals == {"signature": 1000}
        for number in range(500):
            assert status_of(await asked(url, get(f"/twilio/media/{number:016x}", host_of(url)))) == 403
        assert server.refusals == {"signature": 1000, "stream": 500}
        assert (await far.tell(url, far.ringing(far.new_id())))[0] == 200


def upgrade(url: str) -> bytes:
    return get(
        urlsplit(url).path,
        host_of(url),
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ).replace(b"Connection: close", b"Connection: Upgrade")


FRAMES = {
    # RSV1 says that it is compressed, which was not agreed on.
    "a compressed message": b"\xc1\x84\0\0\0\0abcd",
    "a frame that promises 8 exabytes": b"\x81\xff" + struct.pack(">Q", 2**63 - 1) + b"\0\0\0\0",
    "a frame that promises 2 MB": b"\x81\xff" + struct.pack(">Q", 2_000_000) + bytes(4) + b"x" * 2_000_000,
    "pieces without an end": b"\x01\xff"
    + struct.pack(">Q", 700_000)
    + bytes(4)
    + b"x" * 700_000
    + (b"\x00\xff" + struct.pack(">Q", 700_000) + bytes(4) + b"x" * 700_000) * 3,
    "no frame": b"\xff\xff\xff\xff\xff",
    "a ping of 10 kB": b"\x89\xfe\x27\x10" + bytes(4) + b"x" * 10_000,
}


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_frame_that_no_carrier_sends_ends_its_own_stream_alone(frame):
    async with phone_door() as (far, server):
        _, stream = await far.ring(server.local_url)
        stranger = await Stranger.at(server.local_url)
        await stranger.send(upgrade(stream.url))
        head = await stranger.reader.readuntil(b"\r\n\r\n")
        assert status_of(head) == 101
        assert b"permessage-deflate" not in head
        await stranger.send(FRAMES[frame])
        await stranger.answer()
        await stranger.leave()
        assert (await far.tell(f"{server.local_url}/twilio/voice", far.ringing(far.new_id())))[0] == 200
