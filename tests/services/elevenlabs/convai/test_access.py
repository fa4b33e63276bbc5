"""The constructor, where it connects, and that nothing secret is shown; the rows of the seed document by their ids."""

from __future__ import annotations

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from loguru import logger

from tests.local.elevenlabs.caller import convai_server
from tests.services.elevenlabs.convai.talk import talking
from tests.support.pipelines import running
from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.frames import ErrorFrame, LLMFullResponseEndFrame
from voicepipe.local.elevenlabs import Agent
from voicepipe.realtime.fillers import Filler
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.link import Reconnect
from voicepipe.services.elevenlabs.convai import (
    DEFAULT_URL,
    RESIDENCIES,
    AgentOverride,
    ElevenLabsConvAIService,
    Overrides,
    PromptOverride,
    TTSOverride,
)

PRIVATE = Agent("agent_1", first_message="Hello!", enable_auth=True)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    monkeypatch.delenv("ELEVENLABS_AGENT_ID", raising=False)


def service(**given) -> ElevenLabsConvAIService:
    return ElevenLabsConvAIService(**{"api_key": "s3cret", "agent_id": "agent_1", **given})


def overrides(llm: ElevenLabsConvAIService) -> dict:
    return llm.conversation_settings.overrides.model_dump(exclude_none=True)


class TestRows:
    async def test_s000_45_an_agent_that_is_managed_at_elevenlabs_talks_as_it_is_set_up_there(self):
        async with talking(PRIVATE) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == "Hello!"
        [first] = talk.wire.sent("conversation_initiation_client_data")
        assert "conversation_config_override" not in first

    def test_s000_46_the_key_comes_from_the_environment_when_it_is_empty(self, monkeypatch):
        with pytest.raises(ValueError, match="api_key: is empty; pass it, or set ELEVENLABS_API_KEY"):
            ElevenLabsConvAIService(agent_id="agent_1")
        monkeypatch.setenv("ELEVENLABS_API_KEY", "k")
        assert ElevenLabsConvAIService(agent_id="agent_1")

    async def test_s000_47_so_does_the_agent(self, monkeypatch):
        with pytest.raises(ValueError, match="agent_id: is empty; pass it, or set ELEVENLABS_AGENT_ID"):
            ElevenLabsConvAIService(api_key="k")
        monkeypatch.setenv("ELEVENLABS_AGENT_ID", "agent_7")
        llm = ElevenLabsConvAIService(api_key="k", use_signed_url=False)
        assert (await llm.endpoint()).url.endswith("?agent_id=agent_7")

    @pytest.mark.parametrize("voice", ["", "rachel"])
    def test_s000_48_p19_a_voice_is_overridden_only_when_it_is_given(self, voice):
        wanted = {"tts": {"voice_id": voice}} if voice else {}
        assert overrides(service(voice=voice)) == wanted

    async def test_s000_49_p19_a_prompt_that_is_given_is_sent(self):
        agent = Agent("agent_1", first_message="Hi.", allows=["agent.prompt.prompt"])
        async with talking(agent, system_prompt="You sell shoes.") as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        [first] = talk.wire.sent("conversation_initiation_client_data")
        assert first["conversation_config_override"] == {"agent": {"prompt": {"prompt": "You sell shoes."}}}

    async def test_s000_49_and_a_dashboard_that_does_not_allow_it_is_reported(self):
        async with talking(Agent("agent_1"), system_prompt="You sell shoes.") as talk:
            [error] = await talk.bot.up.wait_for(ErrorFrame)
        assert "agent.prompt.prompt" in error.error

    def test_s000_50_with_key_and_agent_in_the_environment_nothing_need_be_given(self, monkeypatch):
        monkeypatch.setenv("ELEVENLABS_API_KEY", "k")
        monkeypatch.setenv("ELEVENLABS_AGENT_ID", "agent_7")
        assert overrides(ElevenLabsConvAIService()) == {}
        llm = ElevenLabsConvAIService(agent_id="agent_8", voice="rachel")
        assert overrides(llm) == {"tts": {"voice_id": "rachel"}}


class TestSettings:
    def test_short_forms_and_overrides_are_laid_over_each_other(self):
        llm = service(
            voice="v1",
            first_message="",
            language="es",
            text_only=True,
            overrides=Overrides(
                agent=AgentOverride(prompt=PromptOverride(llm="gpt-4o-mini")), tts=TTSOverride(speed=1.1)
            ),
        )
        assert overrides(llm) == {
            "agent": {"prompt": {"llm": "gpt-4o-mini"}, "first_message": "", "language": "es"},
            "tts": {"voice_id": "v1", "speed": 1.1},
            "conversation": {"text_only": True},
        }

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            (
                {"voice": "v1", "overrides": Overrides(tts=TTSOverride(voice_id="v2"))},
                "overrides.tts.voice_id",
            ),
            ({"dynamic_variables": {"system__time": "noon"}}, "dynamic_variables"),
            ({"dynamic_variables": {"list": [1]}}, "dynamic_variables.list"),
            ({"interruptions": Interruptions(min_words=2)}, "interruptions"),
            ({"tool_filler": Filler()}, "tool_filler"),
            ({"api_key": "with\nline"}, "api_key"),
            ({"base_url": "ftp://x"}, "base_url"),
            ({"base_url": "https://user:word@x"}, "base_url"),
            ({"base_url": "https://x/?agent_id=1"}, "base_url"),
        ],
    )
    def test_what_cannot_be_used_is_refused_at_once_by_name(self, given, field):
        with pytest.raises(SettingsError) as caught:
            service(**given)
        assert caught.value.field.startswith(field)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("values", [{"stability": 1.1}, {"speed": 0}, {"voice_id": ""}, {"pitch": 1}])
    def test_values_are_checked_when_they_are_made(self, values):
        with pytest.raises(ValueError, match=next(iter(values))):
            TTSOverride(**values)


class TestAccess:
    @pytest.mark.parametrize(
        ("base_url", "url"),
        [
            (DEFAULT_URL, "wss://api.elevenlabs.io/v1/convai/conversation"),
            ("eu", "wss://api.eu.residency.elevenlabs.io/v1/convai/conversation"),
            (RESIDENCIES["us"], "wss://api.us.elevenlabs.io/v1/convai/conversation"),
            ("http://127.0.0.1:8/", "ws://127.0.0.1:8/v1/convai/conversation"),
            ("wss://x/v1/convai/conversation", "wss://x/v1/convai/conversation"),
            ("https://gateway/eleven", "wss://gateway/eleven/v1/convai/conversation"),
        ],
    )
    async def test_hosts(self, base_url, url):
        endpoint = await service(base_url=base_url, use_signed_url=False, environment="staging").endpoint()
        assert endpoint.url == f"{url}?agent_id=agent_1&environment=staging"
        assert endpoint.headers == {"xi-api-key": "s3cret"}

    async def test_a_signed_url_is_asked_for_before_each_connection(self):
        async with convai_server(PRIVATE, api_key="s3cret") as server:
            llm = service(base_url=server.api_url)
            first, second = await llm.endpoint(), await llm.endpoint()
        assert first.url.startswith(f"{server.url}?agent_id=agent_1&")
        assert all("conversation_signature=" in one.url for one in (first, second))
        assert not first.headers

    @pytest.mark.parametrize("signed", [True, False])
    async def test_a_private_agent_takes_the_key_either_way(self, signed):
        options = {"server_options": {"api_key": "s3cret"}, "api_key": "s3cret", "use_signed_url": signed}
        async with talking(PRIVATE, **options) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)

    async def test_a_public_agent_needs_no_key(self):
        async with talking(Agent("agent_1", first_message="Hi."), api_key=None) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)

    @pytest.mark.parametrize(
        ("given", "kind"),
        [({"api_key": "wrong"}, "authentication"), ({"agent_id": "nobody"}, "model")],
    )
    async def test_a_refusal_says_why(self, given, kind):
        async with convai_server(PRIVATE, api_key="s3cret") as server:
            with pytest.raises(ConnectionRefused) as caught:
                await service(base_url=server.api_url, **given).endpoint()
        assert caught.value.kind == kind
        assert "HTTP status" in str(caught.value)

    @pytest.mark.parametrize(
        ("status", "body", "kind", "why"),
        [
            (200, b"Welcome to the hotel's network!", "protocol", "answered with no signed_url"),
            (200, b"\xff\xfe", "protocol", "answered with no signed_url"),
            (200, b"[" * 100_000, "protocol", "answered with no signed_url"),
            (200, b'{"signed_url": "wss://[x"}', "protocol", "answered with no signed_url"),
            (401, b"\xff", "authentication", "HTTP status 401"),
        ],
    )
    async def test_an_answer_that_cannot_be_read_is_said_for_what_it_is(self, status, body, kind, why):
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, body=body)

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with TestServer(app) as server:
            with pytest.raises(ConnectionRefused, match=why) as caught:
                await service(base_url=str(server.make_url("/"))).endpoint()
        assert caught.value.kind == kind

    async def test_a_host_that_is_not_there_is_said(self):
        with pytest.raises(ConnectionRefused) as caught:
            await service(base_url="http://127.0.0.1:1").endpoint()
        assert caught.value.kind == "connection"

    @pytest.mark.parametrize("signed", [True, False])
    @pytest.mark.parametrize("refuses", ["close", "status"])
    async def test_a_wrong_key_ends_the_service_with_one_error(self, signed, refuses):
        options = {"api_key": "right", "refuses": refuses}
        async with talking(PRIVATE, server_options=options, api_key="wrong", use_signed_url=signed) as talk:
            [error] = await talk.bot.up.wait_for(ErrorFrame)
        assert error.error
        assert len(talk.bot.up.of(ErrorFrame)) == 1

    async def test_nothing_secret_is_shown(self, caplog):
        lines: list[str] = []
        sink = logger.add(lines.append, level="TRACE", format="{message} {exception}")
        caplog.set_level(logging.DEBUG)
        try:
            async with convai_server(PRIVATE, api_key="s3cret") as server:
                llm = service(base_url=server.api_url, reconnect=Reconnect(tries=1))
                endpoint = await llm.endpoint()
                token = endpoint.url.rpartition("=")[2]
                shown = f"{llm!r} {llm} {endpoint!r} {llm.conversation_settings!r}"
                async with running(llm) as bot:
                    await bot.down.wait_for(LLMFullResponseEndFrame)
            bad = service(api_key="s3cret", base_url="http://127.0.0.1:1", reconnect=Reconnect(tries=1))
            async with running(bad) as bot:
                [error] = await bot.up.wait_for(ErrorFrame)
        finally:
            logger.remove(sink)
        # What websockets logs at level DEBUG is the wire itself, which nobody gets who does not ask for it.
        own = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets")]
        everything = " ".join([shown, error.error, *map(str, lines), *own])
        assert "s3cret" not in everything
        assert token not in everything
