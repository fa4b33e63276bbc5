"""Who is let in: the page that this server serves, and nobody else. Plain values, without a socket.

A server on loopback is reached by every page that is open in a browser on the same machine. `Origin` tells which page asks;
`Host` tells by which name the server was reached, so a page that points a name of its own at 127.0.0.1 is found out too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from voicepipe.errors import SettingsError
from voicepipe.watch import doors

_HARMLESS: Final = frozenset({"GET", "HEAD"})
_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

HEADERS: Final = {
    **doors.HEADERS,
    "Content-Security-Policy": f"{doors.HEADERS['Content-Security-Policy']}; media-src 'self' blob:",
    "Permissions-Policy": "microphone=(self), camera=()",
}
"""Go with every answer: sound, and of what a page might use the microphone alone, besides what all pages have."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The origins that are let in.

    Parameters:
        origins: Schemes, hosts and ports as a browser writes them, e.g. `http://127.0.0.1:7860`.
    """

    origins: frozenset[str]

    @classmethod
    def at(cls, port: int, others: Iterable[str] = ()) -> Self:
        """Return the doors of a server on this machine.

        Args:
            port: Where it serves.
            others: Origins of a proxy in front of it, e.g. `https://bot.example`.

        Raises:
            SettingsError: One of the others is no origin.
        """
        own = {f"http://{name}:{port}" for name in _LOOPBACK_NAMES}
        return cls(frozenset(own | {_origin(other) for other in others}))

    def refusal(self, method: str, host: str | None, origin: str | None) -> str | None:
        """Return why a request is refused, or None if it is not.

        Args:
            method: In capitals.
            host: The header `Host`.
            origin: The header `Origin`.
        """
        if (host or "").lower() not in {urlsplit(known).netloc for known in self.origins}:
            return "Host: this server is not known by that name"
        if origin is None:
            return None if method in _HARMLESS else f"Origin: a {method} has to say which page it comes from"
        return None if origin.lower() in self.origins else "Origin: that page is not this server's"


def _origin(text: str) -> str:
    parts = urlsplit(text.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise SettingsError("origin", f"{text!r} is no origin; https://bot.example is one")
    return f"{parts.scheme}://{parts.netloc}".lower()
