"""The page on a phone's server, which strangers reach: they get at the webhooks and not at the page."""

from __future__ import annotations

import aiohttp

from tests.support.phones import FakeCarrier
from tests.watch.watching import TOKEN
from voicepipe.watch import Watch

PUBLIC = {"Host": "bot.example.com", "X-Forwarded-For": "192.0.2.7"}
PATHS = ("/calls", "/calls/calls.js", "/calls/live")


async def statuses(url: str, headers: dict[str, str], *paths: str) -> list[int]:
    found: list[int] = []
    async with aiohttp.ClientSession() as http:
        for path in paths or PATHS:
            async with http.get(url + path, headers=headers) as response:
                found.append(response.status)
    return found


async def test_through_the_public_address_the_page_is_not_reached():
    async with FakeCarrier("twilio") as far:
        phone = far.phone(watch=Watch(TOKEN), public_url="https://bot.example.com")
        async with phone.serving(port=0) as door:
            assert await statuses(door.local_url, PUBLIC) == [403, 403, 403]
            # From this machine it is; the WebSocket has to be asked for by the page.
            assert await statuses(door.local_url, {}) == [200, 200, 403]
            assert await statuses(door.local_url, PUBLIC, "/health") == [200]


async def test_without_being_asked_for_there_is_no_page():
    async with FakeCarrier("twilio") as far, far.phone().serving(port=0) as door:
        assert await statuses(door.local_url, {}) == [404, 404, 404]
