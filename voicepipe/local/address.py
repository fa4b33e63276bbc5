"""Where a local server serves: this machine alone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from voicepipe.errors import SettingsError

_HIGHEST_PORT: Final = 65535


def loopback(host: str) -> str:
    """Return the address to serve at.

    Raises:
        SettingsError: Others than this machine could reach it.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    why = f"{host!r} is no loopback address; the local server serves this machine alone (127.0.0.1 or ::1)"
    raise SettingsError("host", why)


def checked_port(port: int) -> int:
    """Return `port`.

    Raises:
        SettingsError: It is none.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise SettingsError("port", f"{port} is no port; there are 0 (any free one) to {_HIGHEST_PORT}")
    return port


def is_from_this_machine(origin: str | None) -> bool:
    """Whether who connects is no page of a browser's, or one that this machine served.

    Every page that is open in a browser on this machine can connect to loopback, and its script says what it likes; of
    which site it is the browser says, in `Origin`.
    """
    if origin is None:
        return True
    try:
        host = urlsplit(origin).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def netloc(host: str, port: int) -> str:
    """Return host and port as they stand in a URL."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
