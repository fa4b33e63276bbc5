"""Where records are: a file or a database's address, as a person names it and as SQLAlchemy wants it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.telemetry.plain import as_json

VARIABLE: Final = "VOICEPIPE_RECORDS"
"""The environment variable that names the place for all who name none."""
DEFAULT_PATH: Final = Path("~/.voicepipe/calls.sqlite")
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_THREAD_ENDS_SECS: Final = 1.0
_PRAGMAS: Final = (
    # Readers do not hold up the writer; what is committed outlives the process whatever becomes of it.
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "busy_timeout=5000",
)


def records_url(where: str | Path | None = None) -> str:
    """Return the address of a database of records.

    Args:
        where: The path of an SQLite file, or a URL (`sqlite:///calls.sqlite`, `postgresql://user:password@host/name`). None
            takes what `VOICEPIPE_RECORDS` says, and `~/.voicepipe/calls.sqlite` if it says nothing.

    Raises:
        SettingsError: A URL that cannot be read, or a database that records cannot be in.
        VoicepipeError: PostgreSQL's driver is not installed.
    """
    named = str(where or os.environ.get(VARIABLE) or DEFAULT_PATH)
    if "://" not in named:
        return f"sqlite+aiosqlite:///{Path(named).expanduser().absolute()}"
    kind, _, rest = named.partition("://")
    url = f"{_DRIVERS.get(kind, kind)}://{rest}"
    try:
        name = make_url(url).drivername
    except (ArgumentError, ValueError):
        # Without the text itself: it may hold a password.
        raise SettingsError("records", "is no URL of a database: sqlite:///... or postgresql://...") from None
    if name not in _DRIVERS.values():
        raise SettingsError("records", f"can be in SQLite or PostgreSQL, not in {name!r}")
    if name == "postgresql+asyncpg" and find_spec("asyncpg") is None:
        raise VoicepipeError("records in PostgreSQL need its driver: pip install asyncpg")
    return url


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite database; None of any other."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(parsed.database or "")


class Database:
    """A database at an address that `records_url` gave, and the threads that SQLite's driver has for it.

    Args:
        url: The address.
    """

    def __init__(self, url: str) -> None:
        self.engine: AsyncEngine = create_async_engine(url, json_serializer=_json)
        """What connects to it."""
        self._threads: list[Thread] = []
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", self._set_up)

    async def close(self) -> None:
        """Close all connections and leave no thread."""
        await self.engine.dispose()
        for thread in self._threads:
            # It has been told to end, and answers that just before it does.
            thread.join(_THREAD_ENDS_SECS)
        self._threads.clear()

    def _set_up(self, connection: Any, _record: Any) -> None:
        # aiosqlite says nowhere else when its thread has ended.
        thread = getattr(connection.driver_connection, "_thread", None)
        if isinstance(thread, Thread):
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _json(value: Any) -> str:
    return as_json(value).decode()
