"""How a session ends: at its limit, with its client, and with the server; nothing of it is left then."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.ga_client import WITHIN_SECS, connected
from tests.support.tones import tone_server
from voicepipe.local import LocalServer, Pace
from voicepipe.local.openai_ga.outbox import Outbox

TEXT = "One two three four five six seven eight nine ten."
FULL_OUTBOX = 256


async def none_left(server: LocalServer) -> None:
    async with asyncio.timeout(WITHIN_SECS):
        while server.sessions:
            await asyncio.sleep(0)


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
            await none_left(server)

    @pytest.mark.virtual_time
    async def test_what_was_said_until_then_goes_out_before(self):
        async with tone_server(session_secs=1.0, pace=Pace(speed=1.0)) as server, connected(server) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            with pytest.raises(ConnectionClosed):
                while True:
                    await client.next()
            assert client.socket.close_code == 1001
        assert client.types()[-1] == "error"
        assert 0.6 <= len(client.sound()) / 48000 <= 1.2

    @pytest.mark.virtual_time
    async def test_another_session_may_begin_at_once(self):
        async with tone_server(session_secs=60, max_sessions=1) as server:
            for _ in range(2):
                async with connected(server) as client:
                    assert (await client.next())["error"]["code"] == "session_expired"
                await none_left(server)


class TestWithItsClient:
    @pytest.mark.parametrize("politely", [True, False])
    async def test_in_mid_answer(self, politely):
        async with tone_server(pace=Pace(speed=0.1)) as server:
            async with connected(server) as client:
                await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
                await client.until("response.output_audio.delta")
                if not politely:
                    client.socket.transport.abort()
            await none_left(server)

    async def test_that_asked_for_a_lot_and_never_read_it(self):
        taken = count(1)
        stalls = asyncio.Event()

        def watch(way: str, event: Mapping[str, Any]) -> None:
            if event["type"] == "conversation.item.retrieve" and next(taken) > FULL_OUTBOX:
                stalls.set()

        async with tone_server(on_event=watch) as server:
            async with connected(server) as client:
                part = {"type": "input_audio", "audio": b64encode(bytes(100_000)).decode()}
                item: dict[str, Any] = {"type": "message", "role": "user", "content": [part], "id": "big"}
                await client.send("conversation.item.create", item=item)
                for _ in range(3 * FULL_OUTBOX):
                    await client.send("conversation.item.retrieve", item_id="big")
                async with asyncio.timeout(WITHIN_SECS):
                    await stalls.wait()
                client.socket.transport.abort()
            await none_left(server)


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


async def test_with_the_server():
    async with tone_server(pace=Pace(speed=0.1)) as server, connected(server) as client:
        await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
        await client.until("response.output_audio.delta")
        await server.__aexit__()
        assert server.sessions == 0
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
