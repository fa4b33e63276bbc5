"""Reading records: a list of calls, one call with all there is to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from voicepipe.errors import VoicepipeError
from voicepipe.telemetry.records import tables
from voicepipe.telemetry.records.where import Database, file_of, records_url

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as it is in the database.

    Parameters:
        call: Its row.
        turns: The rows of its turns, in order.
        tools: Those of its calls of functions.
        faults: Those of its errors.
        events: Those of keys, blocked words, transfers and what the carrier refused; none in a database of version 1.
        usage: What it used, by kind and model.
    """

    call: Row
    turns: Sequence[Row]
    tools: Sequence[Row]
    faults: Sequence[Row]
    events: Sequence[Row]
    usage: Sequence[Row]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as one mapping, the call's own fields first."""
        parts = {
            "turns": self.turns,
            "tools": self.tools,
            "faults": self.faults,
            "events": self.events,
            "usage": self.usage,
        }
        return {
            **self.call,
            **{
                name: [{key: value for key, value in row.items() if key != "call_id"} for row in rows]
                for name, rows in parts.items()
            },
        }


class RecordReader:
    """Reads a database of records, also while calls are being written to it.

    Args:
        connection: A connection to it.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @staticmethod
    @asynccontextmanager
    async def open(where: str | Path | None = None) -> AsyncGenerator[RecordReader]:
        """Open a database for reading; see `records_url` for what names it.

        Raises:
            FileNotFoundError: There is no such file.
            VoicepipeError: It is no database of records.
        """
        url = records_url(where)
        path = file_of(url)
        if path is not None and not path.exists():
            raise FileNotFoundError(f"{path}: no calls were recorded there")
        database = Database(url)
        try:
            async with _connected(database) as connection:
                yield RecordReader(connection)
        finally:
            await database.close()

    async def calls(self, *, limit: int | None = None, status: str | None = None) -> list[Row]:
        """Return the rows of calls, the newest first, each with the number of its turns as `turn_count`.

        Args:
            limit: How many at most.
            status: Only those that are `open`, `ended` or `abandoned`.
        """
        calls, turns = tables.calls, tables.turns
        counted = (
            select(func.count()).where(turns.c.call_id == calls.c.id).scalar_subquery().label("turn_count")
        )
        query = select(calls, counted).order_by(calls.c.started_at.desc(), calls.c.id).limit(limit)
        if status is not None:
            query = query.where(calls.c.status == status)
        return [dict(row._mapping) for row in await self._connection.execute(query)]  # pyright: ignore[reportPrivateUsage]

    async def call(self, call_id: str) -> StoredCall:
        """Return one call.

        Args:
            call_id: Its id, or as much of its beginning as no other call has.

        Raises:
            VoicepipeError: There is no such call, or there are several.
        """
        calls = tables.calls
        found = select(calls.c.id).where(calls.c.id.startswith(call_id, autoescape=True)).limit(3)
        ids = list((await self._connection.execute(found)).scalars())
        if call_id in ids:
            ids = [call_id]
        if len(ids) != 1:
            raise VoicepipeError(
                f"there is no call {call_id!r}" if not ids else f"{call_id!r} begins the ids of several calls"
            )
        own = await self._rows(calls, calls.c.id == ids[0])
        parts = [
            await self._rows(table, table.c.call_id == ids[0])
            for table in (tables.turns, tables.tools, tables.faults, tables.events, tables.usage)
        ]
        return StoredCall(own[0], *parts)

    async def _rows(self, table: Table, where: Any) -> list[Row]:
        if table is tables.events and not await self._connection.run_sync(_has_events):
            return []
        query = select(table).where(where).order_by(*table.primary_key)
        return [dict(row._mapping) for row in await self._connection.execute(query)]  # pyright: ignore[reportPrivateUsage]


@asynccontextmanager
async def _connected(database: Database) -> AsyncGenerator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(database.engine.connect())
            await connection.execute(select(tables.versions.c.version))
        except DatabaseError as error:
            raise VoicepipeError(f"no records of calls can be read there: {error.orig}") from None
        yield connection


def _has_events(connection: Connection) -> bool:
    """Whether a store of version 2 or later has been opened on the database."""
    return inspect(connection).has_table(tables.events.name)
