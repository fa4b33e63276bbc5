"""Who may watch: a page of this server on this machine, with the token. Plain values, without a socket.

A telephone's server has a public address, mostly a tunnel's, and requests through a tunnel come from loopback too. They name
another host, or say for whom they were forwarded, and are refused for that.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FORWARDED: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "cf-connecting-ip",
    "via",
)

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Go with every answer: no script, style or connection but the server's own, and no frame around the page."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Who is let in.

    Parameters:
        token: What a watcher has to show.
        hosts: Names of this server, besides those of loopback, under which the page may be reached from elsewhere.
    """

    token: str = field(repr=False)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, token: str, hosts: Iterable[str]) -> Doors:
        """Return the doors for a token and further names."""
        return cls(token, frozenset(host.lower() for host in hosts))

    def refusal(self, peer: str, headers: Mapping[str, str], *, is_socket: bool = False) -> str | None:
        """Return why a request is refused, or None if it is not.

        Args:
            peer: The address it comes from.
            headers: Its headers; names in any case.
            is_socket: Whether it asks for a WebSocket, which any page may do, so it has to be this server's.
        """
        given = {name.lower(): text for name, text in headers.items()}
        host = _hostname(f"//{given.get('host', '')}")
        if host not in self.hosts:
            if host not in _LOOPBACK_NAMES:
                return "Host: calls are not watched under that name"
            if not _is_loopback(peer):
                return "calls are watched from this machine alone"
            if any(name in given for name in _FORWARDED):
                return "calls are not watched through a proxy"
        origin = given.get("origin")
        if origin is None:
            return "Origin: a WebSocket has to say which page it comes from" if is_socket else None
        if urlsplit(origin).netloc.lower() != given.get("host", "").lower():
            return "Origin: that page is not this server's"
        return None

    def knows(self, token: object) -> bool:
        """Whether somebody has shown the token, compared in constant time."""
        return isinstance(token, str) and hmac.compare_digest(self.token.encode(), token.encode())


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
