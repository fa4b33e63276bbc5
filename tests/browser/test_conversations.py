"""Conversations over WebRTC with a peer in place of a browser: what is heard, what the page is told, how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pipecat.services.llm_service import FunctionCallParams

from tests.support.tones import tone_server
from tests.support.webrtc import Caller, caller
from voicepipe.audio.resampler import AudioResampler
from voicepipe.browser import BrowserServer
from voicepipe.errors import PortTakenError, SettingsError
from voicepipe.pipeline import Pipeline
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
)


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """The weather in a city.

    Args:
        city: Its name.
    """
    await params.result_callback({"city": city, "temperature": 21, "conditions": "fog"})


def bot_at(url: str, api_key: str = "k"):
    def bot(transport) -> Pipeline:
        properties = SessionProperties(
            tools=[get_weather],
            audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription())),
        )
        llm = OpenAIRealtimeLLMService(api_key=api_key, base_url=url, session_properties=properties)
        return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])

    return bot


@asynccontextmanager
async def serving(bot=None, **options) -> AsyncIterator[BrowserServer]:
    async with (
        tone_server(api_key="k") as api,
        BrowserServer(bot or bot_at(api.url), port=0, **options) as server,
    ):
        yield server


@asynccontextmanager
async def talking(server: BrowserServer) -> AsyncIterator[Caller]:
    async with caller(server.url) as person:
        await person.begin()
        yield person


def is_answered(message) -> bool:
    return (
        message["type"] == "turn" and message["latency_ms"] is not None and message["server_ms"] is not None
    )


async def test_a_question_is_answered_and_the_page_is_told_all_about_it():
    async with serving() as server, talking(server) as person:
        await person.ask("what is the weather in paris", "In Paris it is 21 degrees and fog.")
        await person.until_loud(300)
        turn = await person.until_told(lambda m: is_answered(m) and "fog" in m["bot"] and m["user_done"])
        assert turn["user"].startswith("what is the weather in pari")
        assert turn["latency_ms"] == pytest.approx(
            turn["server_ms"] + turn["added_ms"] + turn["playout_ms"], abs=2
        )
        tool = await person.until_told(lambda m: m["type"] == "tool" and m["status"] == "done")
        assert (tool["name"], tool["arguments"]) == ("get_weather", '{"city": "Paris"}')
        assert tool["result"] == '{"city": "Paris", "temperature": 21, "conditions": "fog"}'
        account = await person.until_told(lambda m: m["type"] == "account" and m["tokens"] > 0)
        assert float(account["cost"]) > 0
        assert server.conversations == 1
        assert await person.hang_up() == 204
        assert await person.ended() == {"by": "page", "detail": ""}
    assert server.conversations == 0


async def test_a_barge_in_cuts_the_answer():
    async with serving() as server, talking(server) as person:
        await person.ask("count to twenty", "one, two")
        await person.until_loud(300)
        await person.ask("hello")
        cut = await person.until_told(lambda m: m["type"] == "turn" and m["interrupted"])
        assert cut["bot"].startswith(cut["heard"])
        assert len(cut["heard"]) < len(cut["bot"])


async def test_a_peer_that_goes_away_ends_its_conversation():
    async with serving() as server, caller(server.url) as person:
        await person.begin()
        await person.ask("hello")
        await person.peer.close()
        assert (await person.ended())["by"] == "page"


async def test_a_bot_that_cannot_go_on_says_why():
    async with tone_server(api_key="k") as api:
        wrong = bot_at(api.url, api_key="sk-wrong")
        async with BrowserServer(wrong, port=0) as server, talking(server) as person:
            end = await person.ended()
    assert end["by"] == "failure"
    assert "invalid_api_key" in end["detail"]
    assert "sk-wrong" not in end["detail"]


async def test_another_bot_ends_what_runs_and_takes_what_comes():
    async with serving() as server:
        async with talking(server) as person:
            await person.ask("hello")
            made = []

            async def other(transport) -> Pipeline:
                made.append(transport)
                return Pipeline([transport.input(), transport.output()])

            server.change_bot(other)
            assert (await person.ended())["by"] == "change"
        async with talking(server):
            assert len(made) == 1


async def test_leaving_the_server_ends_its_conversations():
    async with caller("http://127.0.0.1") as person:
        async with serving() as server:
            person.url = server.url.rstrip("/")
            await person.begin()
            await person.ask("hello")
            end = asyncio.create_task(person.ended())
            await asyncio.sleep(0)
        assert (await end)["by"] == "server"


class TestDoors:
    async def test_more_conversations_than_allowed_are_refused(self):
        async with serving(max_conversations=1) as server, talking(server), caller(server.url) as second:
            status, body = await post(second, await second.offer())
            assert status == 503
            assert "1 conversations" in body["error"]

    async def test_the_place_of_one_that_ended_is_free(self):
        async with serving(max_conversations=1) as server:
            async with talking(server) as person:
                await person.hang_up()
                await person.ended()
            async with talking(server):
                assert server.conversations == 1

    async def test_one_that_goes_on_is_not_forgotten_for_those_that_ended(self, monkeypatch):
        monkeypatch.setattr("voicepipe.browser.server._REMEMBERED", 1)
        async with serving() as server, talking(server) as person:
            for _ in range(3):
                async with talking(server) as other:
                    await other.hang_up()
                    await other.ended()
            await person.hang_up()
            assert (await person.ended())["by"] == "page"

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({}, "sdp: Field required"),
            ({"sdp": "v=0", "type": "answer"}, "type: Input should be 'offer'"),
            ({"sdp": "", "type": "offer"}, "sdp: String should have at least 1 character"),
            ({"sdp": "m=audio x", "type": "offer"}, "sdp: cannot be answered"),
            ({"sdp": "v=0\r\n", "type": "offer"}, "sdp: "),
            ({"sdp": "v=0", "type": "offer", "pc_id": "1"}, "pc_id: Extra inputs are not permitted"),
            ([], "the body: "),
        ],
    )
    async def test_an_offer_that_is_none_is_refused_with_the_field(self, body, said):
        async with serving() as server, caller(server.url) as person:
            status, answer = await post(person, body)
            assert status == 400
            assert answer["error"].startswith(said)
            assert server.conversations == 0

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
    async def test_a_post_of_another_page_is_refused(self, origin):
        async with serving() as server, caller(server.url) as person:
            status, body = await post(person, await person.offer(), origin=origin)
            assert status == 403
            assert body["error"].startswith("Origin: ")
            assert server.conversations == 0

    async def test_a_name_that_is_not_ours_is_refused(self):
        async with serving() as server, aiohttp.ClientSession() as http:
            port = server.url.rstrip("/").rsplit(":", 1)[1]
            async with http.get(server.url, headers={"Host": f"evil.example:{port}"}) as response:
                assert response.status == 403
                assert "Host" in (await response.json())["error"]

    async def test_a_body_that_is_too_large_is_refused(self):
        async with serving() as server, caller(server.url) as person:
            status, _ = await post(person, {"sdp": "x" * 70_000, "type": "offer"})
            assert status == 413

    async def test_another_type_of_body_is_refused(self):
        async with serving() as server, aiohttp.ClientSession() as http:
            headers = {"Origin": server.url.rstrip("/"), "Content-Type": "text/plain"}
            async with http.post(f"{server.url}api/conversations", data="{}", headers=headers) as response:
                assert response.status == 415

    async def test_a_page_tells_the_browser_to_run_nothing_but_its_own(self):
        async with serving() as server, aiohttp.ClientSession() as http:
            for path in ("", "page.js", "page.css", "api/about", "nothing"):
                async with http.get(f"{server.url}{path}") as response:
                    assert response.status == (404 if path == "nothing" else 200)
                    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                    assert response.headers["X-Content-Type-Options"] == "nosniff"
            async with http.get(f"{server.url}api/conversations/none/end") as response:
                assert response.status == 404

    async def test_a_bot_that_raises_is_told_to_the_page(self):
        def broken(transport) -> Pipeline:
            raise KeyError("no such thing")

        async with serving(broken) as server, caller(server.url) as person:
            status, body = await post(person, await person.offer())
            assert status == 500
            assert body["error"] == "the bot could not be made: KeyError: 'no such thing'"

    async def test_a_bot_that_gives_no_pipeline_is_told_to_the_page(self):
        async with serving(lambda transport: asyncio.sleep(0)) as server, caller(server.url) as person:
            status, body = await post(person, await person.offer())
            assert status == 500
            assert "has to return a Pipeline, not NoneType" in body["error"]

    async def test_it_serves_this_machine_alone(self):
        with pytest.raises(SettingsError, match="host"):
            BrowserServer(bot_at("ws://127.0.0.1:1"), host="0.0.0.0")

    async def test_a_port_that_is_taken_is_named(self):
        async with serving() as server:
            port = int(server.url.rstrip("/").rsplit(":", 1)[1])
            with pytest.raises(PortTakenError, match=str(port)):
                await BrowserServer(bot_at("ws://127.0.0.1:1"), port=port).__aenter__()


async def post(person: Caller, body, origin: str | None = "own") -> tuple[int, dict[str, str]]:
    headers = {} if origin is None else {"Origin": person.url if origin == "own" else origin}
    async with person.http.post(f"{person.url}/api/conversations", json=body, headers=headers) as response:
        return response.status, await response.json()
