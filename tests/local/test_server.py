"""The local server's doors: who gets a session, what a bad client can do, and what is left when it closes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.tones import spoken, tone_server
from voicepipe.errors import PortTakenError, SettingsError
from voicepipe.local import LocalServer, Pace
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.engines import speech_engine

KEY = {"Authorization": "Bearer any"}


async def event(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        return json.loads(await socket.recv())


async def until(socket: ClientConnection, type_: str) -> dict[str, Any]:
    while True:
        got = await event(socket)
        if got["type"] == type_:
            return got


def to(server: LocalServer, **headers: str) -> connect:
    return connect(f"{server.url}?model=gpt-realtime", additional_headers={**KEY, **headers})


class TestAdmission:
    @pytest.mark.parametrize(
        ("query", "headers", "code", "close_code"),
        [
            ("?model=gpt-realtime", {}, "invalid_api_key", 3000),
            ("?model=gpt-realtime", {"Authorization": "Bearer wrong"}, "invalid_api_key", 3000),
            ("", {"Authorization": "Bearer right"}, "missing_model", 4000),
            ("?model=gpt-realtime-translate", {"Authorization": "Bearer right"}, "invalid_model", 4000),
            (
                "?model=gpt-realtime",
                {"Authorization": "Bearer right", "OpenAI-Beta": "realtime=v1"},
                "beta_api_shape_disabled",
                4000,
            ),
        ],
    )
    async def test_who_may_not_have_a_session_is_told_why_and_closed(self, query, headers, code, close_code):
        async with (
            tone_server(api_key="right") as server,
            connect(server.url + query, additional_headers=headers) as socket,
        ):
            refusal = await event(socket)
            assert (refusal["type"], refusal["error"]["code"]) == ("error", code)
            with pytest.raises(ConnectionClosed):
                await event(socket)
            assert socket.close_code == close_code

    async def test_a_key_in_the_subprotocol_is_taken_as_browsers_must_send_it(self):
        protocols = ["realtime", "openai-insecure-api-key.right"]
        async with (
            tone_server(api_key="right") as server,
            connect(f"{server.url}?model=m", subprotocols=protocols) as socket,
        ):
            assert (await event(socket))["type"] == "session.created"

    async def test_another_path_is_not_found(self):
        async with tone_server() as server:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(server.url.replace("/v1/realtime", "/v1/chat"))
        assert refusal.value.response.status_code == 404

    async def test_more_sessions_than_allowed_are_refused_until_one_ends(self):
        async with tone_server(max_sessions=1) as server:
            async with to(server) as socket:
                await event(socket)
                with pytest.raises(InvalidStatus) as refusal:
                    await to(server)
                assert refusal.value.response.status_code == 503
            async with asyncio.timeout(5):
                while True:
                    try:
                        async with to(server) as socket:
                            assert (await event(socket))["type"] == "session.created"
                            break
                    except InvalidStatus:
                        await asyncio.sleep(0)

    def test_it_serves_this_machine_alone(self):
        with pytest.raises(SettingsError, match="host"):
            LocalServer(speech=speech_engine("tones"), brain=ScriptBrain(), host="0.0.0.0")

    async def test_a_port_that_is_taken_is_an_error_that_names_it(self):
        async with tone_server() as server:
            port = int(server.url.split(":")[2].split("/")[0])
            with pytest.raises(PortTakenError, match=str(port)):
                await tone_server(port=port).__aenter__()

    @pytest.mark.virtual_time
    async def test_a_session_ends_at_its_limit_as_the_api_ends_it(self):
        async with tone_server(session_secs=3600) as server, to(server) as socket:
            await event(socket)
            expired = json.loads(await socket.recv())
            assert expired["error"]["code"] == "session_expired"
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert (socket.close_code, socket.close_reason) == (
                1001,
                "Your session hit the maximum duration of 60 minutes.",
            )


class TestBadClients:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("{", "invalid_json"),
            ("[]", "invalid_event"),
            ("{}", "invalid_event"),
            (b"\x00\x01", "invalid_event"),
            ('{"type": "input_audio_buffer.append"}', "missing_required_parameter"),
            ('{"type": "input_audio_buffer.append", "audio": "%%"}', "invalid_value"),
            ('{"type": "conversation.item.create"}', "missing_required_parameter"),
            ('{"type": "conversation.item.create", "item": {"type": "nothing"}}', "invalid_value"),
            (
                '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [1]}}',
                "invalid_type",
            ),
            ('{"type": "session.update", "session": "all"}', "invalid_type"),
        ],
    )
    async def test_what_cannot_be_used_is_refused_and_the_session_goes_on(self, message, code):
        async with tone_server() as server, to(server) as socket:
            await event(socket)
            await socket.send(message)
            refusal = await event(socket)
            assert refusal["error"]["code"] == code
            await socket.send('{"type": "session.update", "session": {"type": "realtime"}}')
            assert (await event(socket))["type"] == "session.updated"

    async def test_one_that_vanishes_in_mid_answer_harms_no_other(self):
        import base64

        async with tone_server(pace=Pace(speed=1.0)) as server, to(server) as well:
            await event(well)
            gone = await to(server)
            await event(gone)
            pcm = spoken("count to twenty").pcm + bytes(48 * 400)
            await gone.send(
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})
            )
            await until(gone, "response.output_audio.delta")
            gone.transport.abort()
            await well.send('{"type": "session.update", "session": {"type": "realtime"}}')
            assert (await event(well))["type"] == "session.updated"

    async def test_two_sessions_do_not_mix(self):
        async with tone_server() as server, to(server) as one, to(server) as other:
            for socket, instructions in ((one, "answer: One."), (other, "answer: Other.")):
                await event(socket)
                update = {"type": "realtime", "instructions": instructions, "output_modalities": ["text"]}
                await socket.send(json.dumps({"type": "session.update", "session": update}))
                await socket.send('{"type": "response.create"}')
            texts = [(await until(socket, "response.output_text.done"))["text"] for socket in (one, other)]
        assert texts == ["One.", "Other."]


class TestVoice:
    async def test_the_voice_can_change_until_there_was_sound(self):
        voice = '{"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "%s"}}}}'
        async with tone_server(pace=Pace(speed=None)) as server, to(server) as socket:
            await event(socket)
            await socket.send(voice % "cedar")
            assert (await event(socket))["session"]["audio"]["output"]["voice"] == "cedar"
            await socket.send('{"type": "response.create"}')
            await until(socket, "response.done")
            await socket.send(voice % "marin")
            assert (await until(socket, "error"))["error"]["code"] == "cannot_update_voice"

    @pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
    async def test_g711_is_spoken_and_heard(self, kind):
        import base64

        from tests.support.tones import heard
        from voicepipe.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
        from voicepipe.transports.sound import Sound

        encode, decode = (ulaw_encode, ulaw_decode) if kind == "audio/pcmu" else (alaw_encode, alaw_decode)
        async with tone_server(pace=Pace(speed=None)) as server, to(server) as socket:
            await event(socket)
            audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
            await socket.send(
                json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
            )
            sound = encode(spoken("hello", 8000).pcm + bytes(16 * 400))
            await socket.send(
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})
            )
            answer = b""
            while True:
                got = await event(socket)
                if got["type"] == "response.output_audio.delta":
                    answer += decode(base64.b64decode(got["delta"]))
                elif got["type"] == "response.done":
                    break
        assert heard(Sound(answer, 8000)) == "Hello! How can I help you?"
