"""Who is let in to watch."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import aiohttp
import pytest

from tests.watch.watching import TOKEN, served, silent, watching
from voicepipe.errors import SettingsError
from voicepipe.watch import Watch
from voicepipe.watch.doors import Doors

DOORS = Doors.of(TOKEN, [])
LOCAL = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_let_in(host, peer):
    assert DOORS.refusal(peer, {"host": host}) is None


@pytest.mark.parametrize(
    ("peer", "headers", "why"),
    [
        ("127.0.0.1", {**LOCAL, "Host": "bot.example.com"}, "Host"),
        ("127.0.0.1", {**LOCAL, "Host": "127.0.0.1.evil.example"}, "Host"),
        ("127.0.0.1", {"Origin": LOCAL["Origin"]}, "Host"),
        ("127.0.0.1", {**LOCAL, "Host": "[::1"}, "Host"),
        ("192.0.2.7", LOCAL, "this machine"),
        ("", LOCAL, "this machine"),
        ("127.0.0.1", {**LOCAL, "X-Forwarded-For": "192.0.2.7"}, "proxy"),
        ("127.0.0.1", {**LOCAL, "CF-Connecting-IP": "192.0.2.7"}, "proxy"),
        ("127.0.0.1", {**LOCAL, "Forwarded": "for=192.0.2.7"}, "proxy"),
        ("127.0.0.1", {**LOCAL, "Origin": "https://evil.example"}, "Origin"),
        ("127.0.0.1", {**LOCAL, "Origin": "http://127.0.0.1:9"}, "Origin"),
        ("127.0.0.1", {**LOCAL, "Origin": "null"}, "Origin"),
        ("127.0.0.1", {"Host": LOCAL["Host"]}, "Origin"),
    ],
)
def test_all_others_are_not(peer, headers, why):
    assert why in DOORS.refusal(peer, headers, is_socket=True)


def test_a_name_that_was_given_is_let_in_through_a_proxy():
    doors = Doors.of(TOKEN, ["ops.example"])
    headers = {"Host": "ops.example", "Origin": "https://ops.example", "X-Forwarded-For": "192.0.2.7"}
    assert doors.refusal("10.0.0.2", headers, is_socket=True) is None
    assert doors.refusal("10.0.0.2", {**headers, "Host": "other.example"}) is not None


def test_a_token_is_known_by_itself_alone():
    assert DOORS.knows(TOKEN)
    assert not any(DOORS.knows(other) for other in ("", TOKEN[:-1], TOKEN + "x", None, 7, ["x"], "ä" * 20))


def test_a_link_holds_any_token_as_a_browser_reads_it():
    token = "100% secret/#token?"
    link = Watch(token).link("http://127.0.0.1:8000")
    assert unquote(urlsplit(link).fragment) == token


def test_a_short_token_is_refused_and_none_is_shown():
    with pytest.raises(SettingsError, match="token"):
        Watch("short")
    assert TOKEN not in repr(DOORS)


def test_a_token_is_made_up_or_taken_from_the_environment(monkeypatch):
    assert Watch().link("http://127.0.0.1:1") != Watch().link("http://127.0.0.1:1")
    monkeypatch.setenv("VOICEPIPE_WATCH_TOKEN", TOKEN)
    assert Watch().link("http://127.0.0.1:8000/") == f"http://127.0.0.1:8000/calls#{TOKEN}"


@pytest.mark.parametrize("path", ["/calls", "/calls/calls.js", "/calls/look.css", "/calls/live"])
async def test_the_server_refuses_other_names(path):
    async with served(Watch(TOKEN)) as origin, aiohttp.ClientSession() as http:
        for headers in ({"Host": "bot.example.com"}, {"X-Forwarded-For": "192.0.2.7"}):
            async with http.get(origin + path, headers=headers) as response:
                assert response.status == 403
                assert TOKEN not in await response.text()


async def test_the_page_allows_no_script_but_its_own():
    async with (
        served(Watch(TOKEN)) as origin,
        aiohttp.ClientSession() as http,
        http.get(f"{origin}/calls") as response,
    ):
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert TOKEN not in await response.text()


async def test_a_cross_site_websocket_is_refused():
    async with served(Watch(TOKEN)) as origin:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Host": "evil.example", "Origin": "http://evil.example"},
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with watching(origin, **headers):
                    pass
            assert refused.value.status == 403


@pytest.mark.parametrize(
    "first", ['{"token": "another-one-entirely"}', "no json", "[1]", "{}", '{"token": 7}']
)
async def test_who_has_not_the_token_is_told_nothing(first):
    watch = Watch(TOKEN)
    async with served(watch) as origin, silent(origin) as socket:
        await socket.send_str(first)
        message = await socket.receive()
        assert message.type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401


@pytest.mark.virtual_time
async def test_who_shows_no_token_in_time_is_let_go():
    async with served(Watch(TOKEN)) as origin, silent(origin) as socket:
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401


async def test_there_are_only_so_many_watchers():
    async with served(Watch(TOKEN, most_watchers=1)) as origin, watching(origin) as first:
        await first.more()
        async with watching(origin) as second:
            assert (await second.socket.receive()).type == aiohttp.WSMsgType.CLOSE
            assert second.socket.close_code == 4429
