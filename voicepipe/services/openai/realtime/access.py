"""How a service gets at the API: URL, key and headers, for OpenAI and for Azure (protocol page, section 1).

No key is ever part of a repr, a log line or an error.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit, urlunsplit

from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.realtime.connection import Endpoint

DEFAULT_URL: Final = "wss://api.openai.com/v1/realtime"

ApiKey: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A key, or what gives one: asked before every connection, so that keys may expire."""

URL_VARIABLE: Final = "OPENAI_BASE_URL"
"""Names another server in OpenAI's place, as for OpenAI's own client packages."""

_AZURE_HOST = ".openai.azure.com"
_AZURE_PATH = "/openai/v1/realtime"
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class Access:
    """Where to connect and with what, checked when made.

    Args:
        api_key: The key. A callable is run in a thread unless it is `async`.
        model: The model, or the deployment with Azure.
        base_url: A `ws://` or `wss://` URL without a model.
        azure: Whether it is Azure: a key goes into `api-key`, and a callable gives an Entra token, which goes into
            `Authorization`. None asks the URL's host.
        organization: The organization that is charged; OpenAI only.
        project: The project that is charged; OpenAI only.
        safety_identifier: Stands for the end user and does not tell who it is.
        proxy: None or False is no proxy, True is that of the environment, a text is its URL.
        key_secs: How long a callable may take.
        takes_preview: Whether Azure's address of the beta wire will do; its query names version and deployment.

    Raises:
        SettingsError: One of these cannot be used; the error names it.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        model: str,
        base_url: str = DEFAULT_URL,
        azure: bool | None = None,
        organization: str | None = None,
        project: str | None = None,
        safety_identifier: str | None = None,
        proxy: str | bool | None = True,
        key_secs: float = 10.0,
        takes_preview: bool = False,
    ) -> None:
        parts = _url_parts(base_url)
        self.is_azure = (parts.hostname or "").endswith(_AZURE_HOST) if azure is None else azure
        """Whether it is Azure, where models are called as their owner likes."""
        if self.is_azure:
            if base_url == DEFAULT_URL:
                raise SettingsError("base_url", f"with Azure is wss://<resource>{_AZURE_HOST}{_AZURE_PATH}")
            _check_azure(organization=organization, project=project)
            if _is_preview(parts) and not takes_preview:
                raise SettingsError(
                    "base_url", f"is that of the preview's wire; the GA wire is at {_AZURE_PATH}"
                )
        query = "&".join(part for part in (parts.query, urlencode({"model": model})) if part)
        self._url = urlunsplit(parts._replace(query=query))
        self._api_key = api_key if callable(api_key) else _given_key(api_key)
        self._headers = {
            header: _header_text(field, value)
            for field, header, value in (
                ("organization", "OpenAI-Organization", organization),
                ("project", "OpenAI-Project", project),
                ("safety_identifier", "OpenAI-Safety-Identifier", safety_identifier),
            )
            if value is not None
        }
        self._proxy: str | Literal[True] | None = _proxy(proxy)
        self._key_secs = key_secs

    async def endpoint(self) -> Endpoint:
        """Return where to connect and the headers that go with the handshake.

        Raises:
            ConnectionRefused: The callable gave no key; of kind "authentication".
        """
        if self.is_azure and isinstance(self._api_key, str):
            key = {"api-key": self._api_key}
        else:
            key = {"Authorization": f"Bearer {await self._key()}"}
        return Endpoint(self._url, {**key, **self._headers}, self._proxy)

    async def _key(self) -> str:
        if isinstance(self._api_key, str):
            return self._api_key
        try:
            async with asyncio.timeout(self._key_secs):
                key = await _ask(self._api_key)
        except TimeoutError:
            raise _no_key(f"gave no key within {self._key_secs:g} s") from None
        except Exception as error:  # noqa: BLE001 - a callable may raise anything, and its words may hold a key
            raise _no_key(f"raised {type(error).__name__}") from None
        if not isinstance(key, str):
            raise _no_key(f"gave a {type(key).__name__}, where a key is a text")
        try:
            return _header_text("api_key", key.strip())
        except SettingsError as error:
            raise _no_key(f"gave a key that {error.why}") from None


async def _ask(api_key: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(api_key) or inspect.iscoroutinefunction(type(api_key).__call__):
        return await api_key()
    # It may read a file or ask a server, and the sound of all other calls would wait for that.
    key = await asyncio.to_thread(api_key)
    return await key if inspect.isawaitable(key) else key


def _no_key(why: str) -> ConnectionRefused:
    # Not "api_key: ...": Pipecat's own guard of secrets would black out the word that follows.
    return ConnectionRefused(f"the callable given as api_key {why}", "authentication")


def _given_key(api_key: str | None) -> str:
    key: Any = api_key
    if key is None or (isinstance(key, str) and not key.strip()):
        why = "is empty; pass a key (is OPENAI_API_KEY set?), or any text for the local server"
        raise SettingsError("api_key", why)
    if not isinstance(key, str):
        raise SettingsError("api_key", f"is a text or a callable that gives one, not {type(key).__name__}")
    # A key that was read from a file brings the end of its line along.
    return _header_text("api_key", key.strip())


def _header_text(field: str, value: str) -> str:
    if not value or not value.isascii() or not value.isprintable():
        raise SettingsError(field, "is empty or has characters that no header can hold")
    return value


def _url_parts(base_url: str) -> SplitResult:
    example = f"e.g. {DEFAULT_URL!r}"
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        raise SettingsError("base_url", f"is no URL, {example}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise SettingsError("base_url", f"begins with ws:// or wss:// and a host, {example}")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("base_url", "must not hold a user name or password; the key is api_key")
    if parts.fragment or "model" in parse_qs(parts.query, keep_blank_values=True):
        raise SettingsError(
            "base_url", f"must not name a model or end in #...; the model is model, {example}"
        )
    return parts


def _is_preview(parts: SplitResult) -> bool:
    return parts.path.rstrip("/") == "/openai/realtime"


def openai_address(base_url: str | None = None) -> str:
    """Return an address as a socket's, or the environment's, or OpenAI's own.

    Args:
        base_url: `http` and `ws` are taken alike, with or without `/realtime` at the end. None takes `OPENAI_BASE_URL`.

    Raises:
        SettingsError: It is no URL; the error names where it came from.
    """
    field, given = ("base_url", base_url) if base_url else (URL_VARIABLE, os.environ.get(URL_VARIABLE))
    if not given:
        return DEFAULT_URL
    scheme, separator, rest = given.strip().partition("://")
    if not separator:
        raise SettingsError(field, f"is no URL, e.g. {DEFAULT_URL!r}")
    scheme = {"http": "ws", "https": "wss"}.get(scheme.lower(), scheme)
    path, question, query = rest.partition("?")
    path = path.rstrip("/")
    return f"{scheme}://{path if path.endswith('/realtime') else f'{path}/realtime'}{question}{query}"


def ga_url(base_url: str) -> str:
    """Return where the GA wire is spoken if `base_url` is Azure's address of the beta wire; any other one is as it was."""
    parts = urlsplit(base_url)
    is_azure = (parts.hostname or "").endswith(_AZURE_HOST)
    if not (is_azure and _is_preview(parts)):
        return base_url
    return urlunsplit(parts._replace(path=_AZURE_PATH, query=""))


def _check_azure(**only_openai: str | None) -> None:
    for field, value in only_openai.items():
        if value is not None:
            raise SettingsError(field, "is OpenAI's own; Azure has none")


def _proxy(proxy: str | bool | None) -> str | Literal[True] | None:
    if proxy is None or proxy is True or proxy is False:
        return True if proxy is True else None
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        schemes = ", ".join(_PROXY_SCHEMES)
        raise SettingsError("proxy", f"is a URL such as http://host:8080 (one of {schemes}), True or None")
    return proxy
