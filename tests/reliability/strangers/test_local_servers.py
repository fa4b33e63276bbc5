"""The local servers listen on loopback, which every page that is open in a browser on the machine can reach."""

from __future__ import annotations

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.reliability.subjects import ELEVENLABS, SUBJECTS
from voicepipe.local.address import is_from_this_machine

EVIL = [
    "https://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://localhost@evil.example",
    "http://[",
]
OWN = ["http://localhost:3000", "http://127.0.0.1:7860", "https://[::1]:8000", None]


@pytest.mark.parametrize("origin", EVIL)
def test_another_page_is_not_of_this_machine(origin):
    assert not is_from_this_machine(origin)


@pytest.mark.parametrize("origin", OWN)
def test_a_page_of_this_machine_and_a_program_are(origin):
    assert is_from_this_machine(origin)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
async def test_a_page_of_another_site_opens_no_session(subject):
    async with subject.serve() as server:
        for origin in EVIL:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.url}?agent_id=agent_1&model=m", origin=origin, proxy=None)
            assert refused.value.response.status_code == 403
        assert server.sessions == 0
        async with connect(f"{server.url}?agent_id=agent_1&model=m", origin="http://localhost:1", proxy=None):
            pass


async def test_nor_does_it_get_a_signed_url():
    async with ELEVENLABS.serve() as server, aiohttp.ClientSession() as http:
        url = f"{server.api_url}/v1/convai/conversation/get-signed-url?agent_id=agent_1"
        for origin, status in ((EVIL[0], 403), ("http://localhost:1", 200)):
            async with http.get(url, headers={"xi-api-key": "k", "Origin": origin}) as answer:
                assert answer.status == status
