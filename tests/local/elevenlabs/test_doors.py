"""Signed URLs: who gets one, what it opens and for how long."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.local.elevenlabs.caller import Caller, convai_server
from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
from voicepipe.local.elevenlabs.signing import Signer

PRIVATE = Agent("agent_1", enable_auth=True)
PATH = "/v1/convai/conversation/get-signed-url"


async def get(server: LocalElevenLabsServer, path: str, **headers: str) -> tuple[int, Any]:
    """Return status and body of a plain HTTP request."""
    where = urlsplit(server.api_url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    lines = [f"GET {path} HTTP/1.1", f"Host: {where.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert b"application/json" in head
    return int(head.split()[1]), json.loads(body)


async def close_code(url: str, **kwargs: Any) -> int | None:
    """Return how a conversation ends; None if it begins."""
    async with connect(url, **kwargs) as socket:
        try:
            await Caller(socket).begin()
        except ConnectionClosed:
            return socket.close_code
    return None


class TestSignedUrls:
    async def test_one_opens_the_agent_as_often_as_wanted_without_the_key(self):
        async with convai_server(PRIVATE, api_key="right") as server:
            status, body = await get(server, f"{PATH}?agent_id=agent_1", **{"xi-api-key": "right"})
            assert status == 200
            assert list(body) == ["signed_url"]
            assert [await close_code(body["signed_url"]) for _ in range(2)] == [None, None]
            assert await close_code(body["signed_url"] + "&source=python_sdk&version=2.78.0") is None

    async def test_one_with_a_conversation_opens_that_one_once(self):
        async with convai_server(PRIVATE, api_key="right") as server:
            path = f"{PATH}?agent_id=agent_1&include_conversation_id=true"
            _, body = await get(server, path, **{"xi-api-key": "right"})
            async with connect(body["signed_url"]) as socket:
                metadata = await Caller(socket).begin()
            assert metadata["conversation_id"] == body["conversation_id"]
            assert await close_code(body["signed_url"]) == 1008

    @pytest.mark.parametrize(
        ("query", "headers", "status"),
        [
            ("?agent_id=agent_1", {}, 401),
            ("?agent_id=agent_1", {"xi-api-key": "wrong"}, 401),
            ("?agent_id=agent_1", {"xi-api-key": "schlüssel"}, 401),
            ("?agent_id=agent_2", {"xi-api-key": "right"}, 404),
            ("", {"xi-api-key": "right"}, 422),
        ],
    )
    async def test_who_may_not_have_one_is_told_why(self, query, headers, status):
        async with convai_server(PRIVATE, api_key="right") as server:
            got, body = await get(server, PATH + query, **headers)
        assert got == status
        assert body["detail"]

    async def test_the_older_path_serves_too_and_others_are_not_found(self):
        async with convai_server() as server:
            older = "/v1/convai/conversation/get_signed_url?agent_id=agent_1"
            assert (await get(server, older, **{"xi-api-key": "any"}))[0] == 200
            assert (await get(server, "/v1/voices"))[0] == 404

    @pytest.mark.virtual_time
    async def test_one_expires(self):
        async with convai_server(PRIVATE, api_key="right", signed_url_secs=900) as server:
            _, body = await get(server, f"{PATH}?agent_id=agent_1", **{"xi-api-key": "right"})
            await asyncio.sleep(899)
            assert await close_code(body["signed_url"]) is None
            await asyncio.sleep(1)
            assert await close_code(body["signed_url"]) == 1008

    async def test_its_token_opens_as_a_browser_gives_it(self):
        async with convai_server(PRIVATE, api_key="right") as server:
            _, body = await get(server, f"{PATH}?agent_id=agent_1", **{"xi-api-key": "right"})
            token = body["signed_url"].rpartition("=")[2]
            url = f"{server.url}?agent_id=agent_1"
            assert await close_code(url, subprotocols=["convai", f"bearer.{token}"]) is None
            assert await close_code(url, subprotocols=["convai", "bearer.cvtkn_00.00"]) == 1008


class TestSigner:
    SIGNER = Signer(b"secret", 900)

    def test_a_token_is_for_one_agent(self):
        token = self.SIGNER.sign("one", 0)
        assert self.SIGNER.admit(token, "one", 0) is not None
        assert self.SIGNER.admit(token, "two", 0) is None

    def test_another_server_does_not_take_it(self):
        assert Signer(b"other", 900).admit(self.SIGNER.sign("one", 0), "one", 0) is None

    @pytest.mark.parametrize(
        "token", ["", "cvtkn_", "cvtkn_zz.zz", "cvtkn_5b5d.", "x", "cvtkn_5b5d.é", "cvtkn_5b\udcc3.5b"]
    )
    def test_what_is_no_token_opens_nothing(self, token):
        assert self.SIGNER.admit(token, "one", 0) is None

    @pytest.mark.parametrize("position", [8, 30, -1])
    def test_a_changed_one_opens_nothing(self, position):
        token = self.SIGNER.sign("one", 0)
        changed = "0" if token[position] != "0" else "1"
        index = position % len(token)
        assert self.SIGNER.admit(token[:index] + changed + token[index + 1 :], "one", 0) is None

    def test_an_id_can_hold_anything(self):
        token = self.SIGNER.sign('a"\n&b', 0, "conv\n1")
        found = self.SIGNER.admit(token, 'a"\n&b', 0)
        assert found is not None
        assert found.conversation_id == "conv\n1"
