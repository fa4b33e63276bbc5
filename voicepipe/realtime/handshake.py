"""Getting a WebSocket open, and saying in plain words why it did not open. It knows nothing of any wire."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
)
from websockets.http11 import Response

from voicepipe.errors import ConnectionRefused, FailureKind
from voicepipe.quick_socket import QuickClientConnection

_KIND_OF_STATUS: Mapping[int, FailureKind] = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    404: "model",
    429: "rate_limit",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect.

    Parameters:
        url: A `ws://` or `wss://` URL.
        headers: What goes with the handshake, keys included; never shown.
        proxy: None is no proxy, True is that of the environment (`HTTPS_PROXY`, `NO_PROXY` and so on), a text is its
            URL, which may hold a password; never shown.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    proxy: str | Literal[True] | None = field(default=True, repr=False)

    @property
    def shown(self) -> str:
        """The URL without its query, fit for a log line."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


class _OneOrigin(connect):
    """Follows no redirect to another host, since the key in the headers would go there too."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        target = super().process_redirect(exc)
        return exc if isinstance(target, str) and _origin(target) != _origin(self.uri) else target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


async def shake_hands(
    endpoint: Endpoint,
    *,
    connect_secs: float,
    close_secs: float,
    ping_secs: float | None,
    max_message_bytes: int | None,
) -> QuickClientConnection:
    """Return an open WebSocket.

    Args:
        endpoint: Where to connect.
        connect_secs: How long all of it may take.
        close_secs: How long the peer's half of a later close may take.
        ping_secs: How often to ping; None is never. That a pong comes is not checked.
        max_message_bytes: The largest message that is taken; None is no bound.

    Raises:
        ConnectionRefused: There is no server, or it would not have us; `kind` says of what sort the reason is.
    """
    try:
        opened = await _OneOrigin(
            endpoint.url,
            additional_headers=dict(endpoint.headers),
            proxy=endpoint.proxy,
            create_connection=QuickClientConnection,
            open_timeout=connect_secs,
            close_timeout=close_secs,
            ping_interval=ping_secs,
            ping_timeout=None,
            # Sound in base64 gains little from deflate and pays for it with time, and a bomb needs it.
            compression=None,
            max_size=max_message_bytes,
        )
    except InvalidStatus as error:
        raise _refused(endpoint.shown, error.response) from None
    except TimeoutError:
        why = f"{endpoint.shown} did not answer within {connect_secs:g} s"
        raise ConnectionRefused(why) from None
    except (OSError, InvalidHandshake, InvalidURI, InvalidProxy, ImportError) as error:
        raise ConnectionRefused(f"{endpoint.shown} cannot be reached: {_why(endpoint, error)}") from None
    assert isinstance(opened, QuickClientConnection)
    return opened


def _refused(where: str, response: Response) -> ConnectionRefused:
    status = response.status_code
    kind = _KIND_OF_STATUS.get(status, "server" if status >= 500 else "connection")
    retry_after = _retry_after(response.headers.get("Retry-After"))
    why = f"{where} answered with HTTP status {status}"
    if 300 <= status < 400:
        why += ", a redirect that is not followed; give the address it leads to"
    if retry_after is not None:
        why += f" and asks to be tried again in {retry_after:g} s"
    return ConnectionRefused(why, kind, retry_after=retry_after, status=status)


def _retry_after(header: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header says, in either of its two forms."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, round(seconds, 3)) if isfinite(seconds) else None


def _why(endpoint: Endpoint, error: Exception) -> str:
    """Return a reason without anything secret: errors of proxies and URLs show these whole."""
    match error:
        case socket.gaierror():
            or_proxy = " (or of the proxy)" if endpoint.proxy is not None else ""
            why = f"the name of the host{or_proxy} is not known: {error.strerror}"
        case ssl.SSLCertVerificationError():
            why = f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            why = f"TLS failed: {error.reason}; is there a wss:// server at this port?"
        case InvalidURI():
            why = f"this is no address of a WebSocket: {error.msg}"
        case InvalidProxy():
            why = f"the proxy's address cannot be used: {error.msg}"
        case InvalidProxyStatus():
            why = f"the proxy answered with HTTP status {error.response.status_code}"
        case ImportError():
            why = "a SOCKS proxy needs the package python-socks: pip install 'python-socks[asyncio]'"
        case ConnectionError() if endpoint.url.startswith("wss:"):
            why = "the connection broke while TLS was agreed on; is there a wss:// server at this port?"
        case _:
            # Of a connection that is reset, some event loops say nothing more than that.
            why = str(error) or f"the connection broke ({type(error).__name__})"
    return why
