"""Who is let in, without a socket."""

from __future__ import annotations

import pytest

from voicepipe.browser.doors import Doors
from voicepipe.errors import SettingsError

DOORS = Doors.at(7860, ["https://bot.example/"])


@pytest.mark.parametrize(
    ("method", "host", "origin"),
    [
        ("GET", "127.0.0.1:7860", None),
        ("GET", "localhost:7860", "http://localhost:7860"),
        ("POST", "[::1]:7860", "http://[::1]:7860"),
        ("POST", "LOCALHOST:7860", "http://localhost:7860"),
        ("DELETE", "bot.example", "https://bot.example"),
    ],
)
def test_the_servers_own_page_is_let_in(method, host, origin):
    assert DOORS.refusal(method, host, origin) is None


@pytest.mark.parametrize(
    ("method", "host", "origin", "field"),
    [
        ("GET", "evil.example:7860", None, "Host"),
        ("GET", None, None, "Host"),
        ("GET", "127.0.0.1:80", None, "Host"),
        ("GET", "127.0.0.1:7860", "https://evil.example", "Origin"),
        ("POST", "127.0.0.1:7860", "null", "Origin"),
        ("POST", "127.0.0.1:7860", "https://127.0.0.1:7860", "Origin"),
        ("POST", "127.0.0.1:7860", None, "Origin"),
        ("DELETE", "127.0.0.1:7860", None, "Origin"),
        ("POST", "bot.example", "http://bot.example", "Origin"),
    ],
)
def test_everybody_else_is_refused_with_the_header_that_is_wrong(method, host, origin, field):
    why = DOORS.refusal(method, host, origin)
    assert why is not None
    assert why.startswith(f"{field}: ")


@pytest.mark.parametrize(
    "origin", ["bot.example", "ftp://bot.example", "https://bot.example/page", "https://", "*"]
)
def test_what_is_no_origin_is_named(origin):
    with pytest.raises(SettingsError, match="is no origin"):
        Doors.at(1, [origin])
