"""OpenAI where there is a key, and the local server where there is none."""

from __future__ import annotations

import pytest

from voicepipe.errors import SettingsError
from voicepipe.offline import openai_or_local


@pytest.fixture(autouse=True)
def in_tones(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")


async def test_without_a_key_it_is_a_server_on_this_machine():
    async with openai_or_local() as openai:
        assert openai.is_local
        assert openai.base_url.startswith("ws://127.0.0.1:")
        assert openai.description == f"the local server at {openai.base_url}"
        assert openai.understood(openai.spoken("hello")) == "hello"


async def test_with_a_key_it_is_openai_whose_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with openai_or_local() as openai:
        assert (openai.base_url, openai.api_key) == ("wss://api.openai.com/v1/realtime", "sk-secret")
        assert not openai.is_local
        assert "sk-secret" not in f"{openai!r} {openai.description}"
        assert openai.understood(openai.spoken("hello")) == "hello"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://127.0.0.1:1/v1/", "ws://127.0.0.1:1/v1/realtime"),
        ("http://127.0.0.1:1/v1", "ws://127.0.0.1:1/v1/realtime"),
        ("ws://127.0.0.1:1/v1/realtime", "ws://127.0.0.1:1/v1/realtime"),
        ("HTTPS://gateway.test/v1", "wss://gateway.test/v1/realtime"),
        ("wss://http-gateway.test/v1", "wss://http-gateway.test/v1/realtime"),
        ("https://gateway.test/v1?tenant=a", "wss://gateway.test/v1/realtime?tenant=a"),
    ],
)
async def test_another_server_can_stand_in_openais_place(monkeypatch, given, address):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", given)
    async with openai_or_local() as openai:
        assert openai.base_url == address


async def test_an_address_that_is_no_url_is_refused_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "me:secret@gateway.test/v1")
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL: is no URL") as caught:
        async with openai_or_local():
            pass
    assert "secret" not in str(caught.value)


async def test_it_can_be_local_although_there_is_a_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    async with openai_or_local(local=True) as openai:
        assert openai.is_local


async def test_speech_that_there_is_not_is_named(monkeypatch):
    monkeypatch.setenv("VOICEPIPE_SPEECH", "whispers")
    with pytest.raises(SettingsError, match="'whispers'"):
        async with openai_or_local():
            pass
