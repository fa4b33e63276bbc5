"""The local server's beta wire over a socket: who is let in, and a conversation."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError
from voicepipe.local.faults import Fault, Faults
from voicepipe.transports.sound import Sound

KEY = {"Authorization": "Bearer any"}
BETA = {"OpenAI-Beta": "realtime=v1"}
MODEL = "model=gpt-4o-realtime-preview"


async def next_event(socket: ClientConnection) -> dict[str, Any]:
    return orjson.loads(await socket.recv())


async def until(socket: ClientConnection, type_: str) -> list[dict[str, Any]]:
    events = [await next_event(socket)]
    while events[-1]["type"] != type_:
        events.append(await next_event(socket))
    return events


class TestLettingIn:
    @pytest.mark.parametrize(
        ("headers", "query", "code", "close_code"),
        [
            (KEY, MODEL, "missing_beta_header", 4000),
            (BETA, MODEL, "invalid_api_key", 3000),
            ({**KEY, **BETA}, "", "missing_model", 4000),
        ],
    )
    async def test_who_lacks_the_header_the_key_or_the_model_is_told_so(
        self, headers, query, code, close_code
    ):
        async with (
            tone_server(wire="beta") as server,
            connect(f"{server.url}?{query}", additional_headers=headers) as socket,
        ):
            assert (await next_event(socket))["error"]["code"] == code
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == close_code

    async def test_a_browser_says_it_with_a_subprotocol(self):
        offered = ["realtime", "openai-insecure-api-key.any", "openai-beta.realtime-v1"]
        async with (
            tone_server(wire="beta") as server,
            connect(f"{server.url}?{MODEL}", subprotocols=offered) as socket,
        ):
            assert (await next_event(socket))["type"] == "session.created"

    async def test_the_ga_server_refuses_the_betas_header_and_its_subprotocol(self):
        offered = ["realtime", "openai-insecure-api-key.any", "openai-beta.realtime-v1"]
        for options in ({"additional_headers": {**KEY, **BETA}}, {"subprotocols": offered}):
            async with tone_server() as server, connect(f"{server.url}?{MODEL}", **options) as socket:
                assert (await next_event(socket))["error"]["code"] == "beta_api_shape_disabled"

    def test_there_is_no_other_wire(self):
        with pytest.raises(SettingsError, match=r"^wire: "):
            tone_server(wire="alpha")


@pytest.mark.virtual_time
async def test_a_spoken_turn_and_a_fault_by_its_name_on_the_wire():
    faults = Faults([Fault(at="response.audio.done", do="duplicate")])
    async with (
        tone_server(wire="beta", faults=faults) as server,
        connect(f"{server.url}?{MODEL}", additional_headers={**KEY, **BETA}) as socket,
    ):
        pcm = spoken("hello").pcm + bytes(48 * 400)
        for at in range(0, len(pcm), 4800):
            sound = b64encode(pcm[at : at + 4800]).decode()
            await socket.send(orjson.dumps({"type": "input_audio_buffer.append", "audio": sound}).decode())
        events = await until(socket, "response.done")
    deltas = [b64decode(event["delta"]) for event in events if event["type"] == "response.audio.delta"]
    assert heard(Sound(b"".join(deltas), 24000)) == "Hello! How can I help you?"
    assert [event["type"] for event in events].count("response.audio.done") == 2
