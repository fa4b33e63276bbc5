"""What an API, or who stands in for it, sends to fill the memory."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from dataclasses import replace

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.reliability.phases import Phase
from tests.reliability.service_cells import service_cell
from tests.reliability.service_faults import Scene, ServiceFault
from tests.reliability.subjects import OPENAI_GA, SUBJECTS
from tests.reliability.subjects.subject import Tool
from voicepipe.errors import SettingsError
from voicepipe.local.proxy import Raw, Say, Trouble
from voicepipe.realtime.connection import Closed, Connection, Endpoint, Limits
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService


async def met(limits: Limits | None, messages: list[str | bytes]) -> tuple[list[int], Closed | None]:
    """Return the sizes of the messages that got through, and how the connection ended."""

    async def say(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message)
        await socket.wait_closed()

    sizes: list[int] = []
    over: asyncio.Future[Closed | None] = asyncio.get_running_loop().create_future()

    def took(message: bytes) -> None:
        sizes.append(len(message))
        if len(sizes) == len(messages):
            over.set_result(None)

    async def closed(how: Closed) -> None:
        over.set_result(how)

    async with serve(say, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        connection = Connection(Endpoint(f"ws://127.0.0.1:{port}"), took, closed, limits)
        await connection.open()
        async with asyncio.timeout(20):
            how = await over
        await connection.close()
    return sizes, how


async def test_a_message_over_the_bound_ends_the_connection_and_says_why():
    sizes, how = await met(Limits(max_message_bytes=1000), ["x" * 1000, "x" * 1001])
    assert sizes == [1000]
    assert how is not None
    assert "1001" in how.reason
    assert "1000" in how.reason


async def test_the_usual_bound_lets_through_what_apis_send():
    sizes, how = await met(None, ["x" * 20_000_000])
    assert (sizes, how) == ([20_000_000], None)


async def test_without_a_bound_everything_comes_through():
    sizes, _ = await met(Limits(max_message_bytes=None), ["x" * 65_000_000])
    assert sizes == [65_000_000]


@pytest.mark.parametrize("size", [0, -1])
def test_a_bound_that_is_none_is_refused_by_name(size):
    with pytest.raises(SettingsError, match="max_message_bytes"):
        Limits(max_message_bytes=size)


def said(what: Trouble) -> ServiceFault:
    async def strike(scene: Scene) -> None:
        await scene.proxy.strike(what)

    return ServiceFault("stranger", "said", strike)


@pytest.mark.virtual_time
@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.USER_SPEAKS, Phase.BOT_SPEAKS])
async def test_a_conversation_goes_on_after_a_message_that_was_too_large(phase):
    def service(url: str, tool: Tool) -> OpenAIRealtimeLLMService:
        return OpenAIRealtimeLLMService(api_key="k", base_url=url, limits=Limits(max_message_bytes=500_000))

    large = Say(json.dumps({"type": "voicepipe.large", "padding": "x" * 600_000}))
    outcome = await service_cell(replace(OPENAI_GA, service=service), said(large), phase)
    assert (outcome.goes_on, outcome.wrong) == (True, ())


def bomb() -> bytes:
    """A frame of 100 kB that would be 100 MB, compressed though nobody agreed on it."""
    deflate = zlib.compressobj(wbits=-15)
    small = deflate.compress(bytes(100_000_000)) + deflate.flush()
    return b"\xc1\x7f" + struct.pack(">Q", len(small)) + small


@pytest.mark.virtual_time
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
async def test_a_bomb_is_no_message_and_the_conversation_goes_on(subject):
    outcome = await service_cell(subject, said(Raw(bomb())), Phase.BOT_SPEAKS)
    assert (outcome.goes_on, outcome.wrong) == (True, ())
