"""Rows on their way into the database: one task writes what changed, as soon as it changed.

A row that changes again before it was written is written once, as it is then, so what waits is bounded by what there is,
not by how often it changes. A call is never held up by the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from loguru import logger
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as SQLTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voicepipe.telemetry.records.tables import calls, events, faults, tools, turns, usage

Row: TypeAlias = Mapping[str, Any]
_Beat: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]
_Key: TypeAlias = tuple[Any, ...]

_ORDER: Final = (calls, turns, tools, faults, events, usage)
"""A call's row goes first: the others name it."""
_PASSING: Final = (OperationalError, InterfaceError, SQLTimeoutError, OSError)
"""A database that is locked, full or away for a while."""
_NEVER: Final = (SQLAlchemyError, ValueError, OverflowError)
"""A row that no database will take; a driver says of its values what Python says of them."""
_MOST_ROWS: Final = 10_000
_FIRST_RETRY_SECS: Final = 0.5
_LONGEST_RETRY_SECS: Final = 30.0


class RowWriter:
    """Writes rows; a row with the key of one that is there replaces it.

    Args:
        engine: The database.
        heartbeat_secs: How often `beat` is written when nothing else is.
        beat: Says that this process lives; awaited with a connection.
    """

    def __init__(self, engine: AsyncEngine, *, heartbeat_secs: float, beat: _Beat) -> None:
        self._engine = engine
        self._heartbeat_secs = heartbeat_secs
        self._beat = beat
        self._waiting: dict[str, dict[_Key, Row]] = {}
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._dropped = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """How many rows were given up: too many waited, or the database would not take them."""
        return self._dropped

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="call records")

    def put(self, table: Table, row: Row) -> None:
        """Write a row soon."""
        key = tuple(row[column.name] for column in table.primary_key)
        rows = self._waiting.setdefault(table.name, {})
        if key not in rows and sum(map(len, self._waiting.values())) >= _MOST_ROWS:
            self._dropped += 1
            if self._dropped == 1:
                logger.error("call records: too many rows wait for the database; new ones are dropped")
            return
        rows[key] = row
        self._idle.clear()
        self._changed.set()

    async def written(self) -> None:
        """Wait until all that was put is in the database, or given up."""
        await self._idle.wait()
        if self._task is not None and self._task.done():
            await self._task

    async def close(self) -> None:
        """Write what waits, if the database takes it, and end."""
        self._closing = True
        self._changed.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        try:
            await self._write_what_changes()
        finally:
            self._idle.set()

    async def _write_what_changes(self) -> None:
        retry_secs = _FIRST_RETRY_SECS
        while True:
            await self._next_change()
            is_last = self._closing
            taken, self._waiting = self._waiting, {}
            try:
                await self._write(taken)
            except _PASSING as error:
                self._put_back(taken)
                if is_last:
                    lost = sum(map(len, self._waiting.values()))
                    logger.error(f"call records: {lost} rows could not be written: {_brief(error)}")
                    return
                logger.warning(f"call records: {_brief(error)}; trying again in {retry_secs:g} s")
                await self._pause(retry_secs)
                retry_secs = min(retry_secs * 2, _LONGEST_RETRY_SECS)
                continue
            retry_secs = _FIRST_RETRY_SECS
            if not self._waiting:
                self._idle.set()
                if is_last:
                    return

    async def _next_change(self) -> None:
        try:
            async with asyncio.timeout(self._heartbeat_secs):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def _pause(self, secs: float) -> None:
        """Wait for a time, or until the end."""
        try:
            async with asyncio.timeout(secs):
                while not self._closing:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            pass
        self._changed.set()

    def _put_back(self, taken: Mapping[str, Mapping[_Key, Row]]) -> None:
        for name, rows in taken.items():
            # What came meanwhile is newer.
            self._waiting[name] = {**rows, **self._waiting.get(name, {})}

    async def _write(self, taken: Mapping[str, Mapping[_Key, Row]]) -> None:
        try:
            async with self._engine.begin() as connection:
                await self._beat(connection)
                for table in _ORDER:
                    if rows := taken.get(table.name):
                        await _upsert(connection, table, list(rows.values()))
        except _PASSING:
            raise
        except _NEVER:
            await self._write_one_by_one(taken)

    async def _write_one_by_one(self, taken: Mapping[str, Mapping[_Key, Row]]) -> None:
        """Write what can be written: a row that the database will never take must not hold up the others."""
        for table in _ORDER:
            for row in taken.get(table.name, {}).values():
                try:
                    async with self._engine.begin() as connection:
                        await _upsert(connection, table, [row])
                except _PASSING:
                    raise
                except _NEVER as error:
                    self._dropped += 1
                    logger.error(f"call records: a row of {table.name} is given up: {_brief(error)}")


async def _upsert(connection: AsyncConnection, table: Table, rows: list[Row]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes), rows)


def _brief(error: Exception) -> str:
    """Return an error without the statement and its values: those are what people said."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"
