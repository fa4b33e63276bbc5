"""How a service gets at the API: host, key, agent and signed URLs (protocol page, section 1).

Neither the key nor a signed URL, which stands for it, is ever part of a repr, a log line or an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import aiohttp
import orjson

from voicepipe.errors import ConnectionRefused, FailureKind, SettingsError
from voicepipe.realtime.handshake import Endpoint

DEFAULT_URL: Final = "https://api.elevenlabs.io"
RESIDENCIES: Final[Mapping[str, str]] = {
    "us": "https://api.us.elevenlabs.io",
    "eu": "https://api.eu.residency.elevenlabs.io",
    "in": "https://api.in.residency.elevenlabs.io",
    "sg": "https://api.sg.residency.elevenlabs.io",
}
"""Hosts that keep data where they are, as the vendor's own client has them."""

_CONVERSATION: Final = "/v1/convai/conversation"
_WEB_SOCKETS: Final[Mapping[str, str]] = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}
_WEB: Final[Mapping[str, str]] = {"https": "https", "http": "http", "wss": "https", "ws": "http"}
_KIND_OF_STATUS: Final[Mapping[int, FailureKind]] = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    404: "model",
    422: "model",
    429: "rate_limit",
}


@dataclass(frozen=True, slots=True, repr=False)
class SignedEndpoint(Endpoint):
    """An endpoint whose URL holds a secret."""

    def __repr__(self) -> str:
        return f"SignedEndpoint({self.shown!r})"


class Access:
    """Where to connect and with what, checked when made.

    Args:
        api_key: The key; None for an agent that needs none.
        agent_id: The agent.
        base_url: The API's host, or one of `RESIDENCIES` by its name.
        environment: Which of the agent's environments; None is its default.
        signed: Whether the key is used to ask for a signed URL; otherwise it goes with the handshake.
        proxy: None is no proxy, True that of the environment, a text is its URL.
        within_secs: How long a signed URL may take.

    Raises:
        SettingsError: One of these cannot be used; the error names it.
    """

    def __init__(
        self,
        *,
        api_key: str | None,
        agent_id: str,
        base_url: str = DEFAULT_URL,
        environment: str | None = None,
        signed: bool = True,
        proxy: str | bool | None = True,
        within_secs: float = 10.0,
    ) -> None:
        self._api_key = None if api_key is None else _header_text("api_key", api_key)
        self._parts = _url_parts(RESIDENCIES.get(base_url, base_url))
        query = {"agent_id": agent_id, **({"environment": environment} if environment else {})}
        self._query = urlencode(query)
        self._signed = signed
        self._proxy: str | Literal[True] | None = proxy or None
        self._within_secs = within_secs

    async def endpoint(self) -> Endpoint:
        """Return where to connect.

        Raises:
            ConnectionRefused: The API gave no signed URL; `kind` says why.
        """
        if self._api_key is not None and self._signed:
            return SignedEndpoint(await self._signed_url(), proxy=self._proxy)
        headers = {} if self._api_key is None else {"xi-api-key": self._api_key}
        return Endpoint(self._url(_WEB_SOCKETS, ""), headers, self._proxy)

    def _url(self, schemes: Mapping[str, str], path: str) -> str:
        base = self._parts.path.rstrip("/").removesuffix(_CONVERSATION)
        return urlunsplit(
            (schemes[self._parts.scheme], self._parts.netloc, f"{base}{_CONVERSATION}{path}", self._query, "")
        )

    async def _signed_url(self) -> str:
        assert self._api_key is not None
        url = self._url(_WEB, "/get-signed-url")
        where = url.partition("?")[0]
        proxy = self._proxy if isinstance(self._proxy, str) else None
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self._within_secs),
                    trust_env=self._proxy is True,
                    connector=aiohttp.TCPConnector(force_close=True),
                ) as http,
                # A redirect would take the key to another host.
                http.get(
                    url, headers={"xi-api-key": self._api_key}, proxy=proxy, allow_redirects=False
                ) as answer,
            ):
                body = await answer.read()
        except TimeoutError:
            raise ConnectionRefused(f"{where} did not answer within {self._within_secs:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ConnectionRefused(f"{where} cannot be reached: {type(error).__name__}") from None
        if answer.status != 200:
            raise _refused(where, answer.status, body, answer.headers.get("Retry-After"))
        signed = _fields(body).get("signed_url")
        if not isinstance(signed, str) or not _is_web_socket(signed):
            raise ConnectionRefused(f"{where} answered with no signed_url", "protocol")
        return signed


def _is_web_socket(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("ws", "wss")
    except ValueError:
        return False


def _refused(where: str, status: int, body: bytes, retry_after: str | None) -> ConnectionRefused:
    kind: FailureKind = _KIND_OF_STATUS.get(status, "server" if status >= 500 else "connection")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return ConnectionRefused(
        f"{where} answered with HTTP status {status}{_detail(body)}", kind, retry_after=seconds
    )


def _detail(body: bytes) -> str:
    """Return what the API says of a refusal: `{"detail": {"message": ...}}`."""
    detail: Any = _fields(body).get("detail")
    message: Any = cast("dict[str, Any]", detail).get("message") if isinstance(detail, dict) else detail
    return f": {message}" if isinstance(message, str) and message else ""


def _fields(body: bytes) -> dict[str, Any]:
    """Return the JSON object in an answer; empty if there is none."""
    try:
        fields: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}


def _header_text(field: str, value: str) -> str:
    text = value.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise SettingsError(field, "is empty or has characters that no header can hold")
    return text


def _url_parts(base_url: str) -> SplitResult:
    example = f"e.g. {DEFAULT_URL!r}, or one of {', '.join(RESIDENCIES)}"
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        raise SettingsError("base_url", f"is no URL, {example}") from None
    if parts.scheme not in _WEB_SOCKETS or not parts.hostname:
        raise SettingsError(
            "base_url", f"begins with https://, http://, wss:// or ws:// and a host, {example}"
        )
    if parts.username is not None or parts.password is not None:
        raise SettingsError("base_url", "must not hold a user name or password; the key is api_key")
    if parts.query or parts.fragment:
        raise SettingsError("base_url", f"must not have ?... or #...; the agent is agent_id, {example}")
    return parts
