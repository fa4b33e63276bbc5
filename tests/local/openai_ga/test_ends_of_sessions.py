"""How a session ends: at its limit, with its client, and with the server; nothing of it is left then.

A server waits for all its sessions when it ends, so one that is stuck makes a test run into its time limit.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.ga_client import WITHIN_SECS, Client, connected
from tests.support.tones import tone_server
from voicepipe.local import Pace
from voicepipe.local.outbox import Outbox

ANSWER = {"instructions": "answer: One two three four five six seven eight nine ten."}
FULL_OUTBOX = 256


async def until_closed(client: Client) -> None:
    while True:
        await client.next()


class TestAtItsLimit:
    @pytest.mark.virtual_time
    @pytest.mark.parametrize(("secs", "minutes"), [(3600, 60), (120, 2)])
    async def test_it_is_told_and_closed(self, secs, minutes):
        message = f"Your session hit the maximum duration of {minutes} minutes."
        async with tone_server(session_secs=secs) as server, connected(server) as client:
            expired = await client.next()
            assert expired["error"] == {
                "type": "invalid_request_error",
                "code": "session_expired",
                "message": message,
                "param": None,
                "event_id": None,
            }
            with pytest.raises(ConnectionClosed):
                await client.next()
            assert (client.socket.close_code, client.socket.close_reason) == (1001, message)

    @pytest.mark.virtual_time
    async def test_what_was_said_until_then_goes_out_before(self):
        async with (
            tone_server(session_secs=0.55, pace=Pace(speed=1.0, delta_ms=100)) as server,
            connected(server) as client,
        ):
            await client.send("response.create", response=ANSWER)
            with pytest.raises(ConnectionClosed):
                await until_closed(client)
            assert client.socket.close_code == 1001
        assert client.types()[-1] == "error"
        assert client.types().count("response.output_audio.delta") == 6
        assert "response.done" not in client.types()


class TestWithItsClient:
    @pytest.mark.parametrize("politely", [True, False])
    async def test_in_mid_answer(self, politely):
        async with asyncio.timeout(WITHIN_SECS):
            async with tone_server(pace=Pace(speed=0.01)) as server, connected(server) as client:
                await client.send("response.create", response=ANSWER)
                await client.until("response.output_audio.delta")
                if not politely:
                    client.socket.transport.abort()

    async def test_that_asked_for_a_lot_and_never_read_it(self):
        taken = count(1)
        is_full = asyncio.Event()

        def watch(way: str, event: Mapping[str, Any]) -> None:
            if event["type"] == "conversation.item.retrieve" and next(taken) > FULL_OUTBOX:
                is_full.set()

        async with asyncio.timeout(WITHIN_SECS):
            async with tone_server(on_event=watch) as server, connected(server) as client:
                part = {"type": "input_audio", "audio": b64encode(bytes(100_000)).decode()}
                item = {"type": "message", "role": "user", "content": [part], "id": "big"}
                await client.send("conversation.item.create", item=item)
                for _ in range(3 * FULL_OUTBOX):
                    await client.send("conversation.item.retrieve", item_id="big")
                await is_full.wait()
                client.socket.transport.abort()


async def test_with_the_server():
    async with tone_server(pace=Pace(speed=0.01)) as server, connected(server) as client:
        await client.send("response.create", response=ANSWER)
        await client.until("response.output_audio.delta")
        async with asyncio.timeout(WITHIN_SECS):
            await server.__aexit__()
            assert server.sessions == 0
            with pytest.raises(ConnectionClosed):
                await until_closed(client)


class TestTheOutbox:
    async def test_a_full_one_has_room_again_when_something_was_taken(self):
        outbox = Outbox()
        for number in range(FULL_OUTBOX):
            outbox.put({"type": str(number)})
        waiting = asyncio.create_task(outbox.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert await outbox.get() == {"type": "0"}
        await waiting

    async def test_nobody_waits_for_a_closed_one(self):
        outbox = Outbox()
        for number in range(FULL_OUTBOX):
            outbox.put({"type": str(number)})
        outbox.close()
        outbox.put({"type": "late"})
        await outbox.room()
        await outbox.empty()
