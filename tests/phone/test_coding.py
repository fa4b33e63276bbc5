"""G.711 straight through, where the API takes it, and what becomes of a call where it takes something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.phone import OpenAIRealtime

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def without_formats(upstream: str) -> AsyncGenerator[str]:
    """An API that passes over the formats it is asked for and uses PCM at 24 kHz, as some models do."""

    async def pass_on(ours: ServerConnection) -> None:
        query = urlsplit(ours.request.path).query
        key = {"Authorization": ours.request.headers["Authorization"]}
        async with connect(f"{upstream}?{query}", additional_headers=key, compression=None) as theirs:

            async def back() -> None:
                async for message in theirs:
                    await ours.send(message)

            backwards = asyncio.create_task(back())
            try:
                async for message in ours:
                    event = json.loads(message)
                    for side in event.get("session", {}).get("audio", {}).values():
                        side.pop("format", None)
                    await theirs.send(json.dumps(event))
            except ConnectionClosed:
                pass
            finally:
                backwards.cancel()
                await asyncio.gather(backwards, return_exceptions=True)

    async with await serve(pass_on, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{urlsplit(upstream).path}"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_g711_goes_through_unchanged_where_the_api_takes_it(carrier):
    events = []
    async with (
        tone_server(on_event=lambda way, e: events.append((way, dict(e)))) as server,
        FakeCarrier(carrier) as far,
    ):
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url, audio="g711"))
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
    [updated, *_] = [e["session"]["audio"] for way, e in events if e["type"] == "session.updated"]
    assert updated["input"]["format"]["type"] == updated["output"]["format"]["type"] == "audio/pcmu"
    assert heard(call.heard) == "Hello! How can I help you?"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_whose_g711_the_api_does_not_take_goes_on_in_pcm(carrier):
    async with (
        tone_server() as server,
        without_formats(server.url) as url,
        FakeCarrier(carrier) as far,
    ):
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=url, audio="g711"))
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
            result = await running.result()
    assert heard(call.heard) == "Hello! How can I help you?"
    assert [turn.text for turn in result.transcript] == ["hello", "Hello! How can I help you?"]
