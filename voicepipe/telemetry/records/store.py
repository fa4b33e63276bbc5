"""The store of a process: it begins calls, writes them down while they happen, and marks those that were left open."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from loguru import logger
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voicepipe.errors import VoicepipeError
from voicepipe.telemetry.calls import CallEvent, CallInfo, Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.records import tables
from voicepipe.telemetry.records.where import Database, file_of, records_url
from voicepipe.telemetry.records.writer import RowWriter

_HEARTBEAT_SECS: Final = 60.0
_GIVEN_UP: Final = timedelta(minutes=5)
"""After so long without a sign of life a call of another machine counts as left open."""
_open_here: Final[set[str]] = set()
"""The runs of the stores that this process has open. Another process may have had its number before."""


class CallEntry:
    """One call in the store; a `CallSink`, so a `CallObserver` can be given it.

    Made by `RecordStore.begin`.
    """

    def __init__(self, writer: RowWriter, row: dict[str, Any]) -> None:
        self._writer = writer
        self._row = row
        self._put_call()

    @property
    def call_id(self) -> str:
        """The call's id."""
        return str(self._row["id"])

    @property
    def is_open(self) -> bool:
        """Whether nobody has said how the call ended."""
        return self._row["status"] == "open"

    def turn(self, turn: Turn) -> None:
        """Write a turn down as it is now."""
        self._writer.put(tables.turns, {"call_id": self.call_id, **asdict(turn)})

    def tool(self, tool: ToolRun) -> None:
        """Write a call of a function down as it is now."""
        row = {one.name: getattr(tool, one.name) for one in fields(tool)}
        self._writer.put(tables.tools, {"call_id": self.call_id, **row})

    def fault(self, fault: Fault) -> None:
        """Write an error down."""
        self._writer.put(tables.faults, {"call_id": self.call_id, **asdict(fault)})

    def event(self, event: CallEvent) -> None:
        """Write down what happened besides what was said; one with an index that was there replaces it."""
        self._writer.put(tables.events, {"call_id": self.call_id, **asdict(event)})

    def account(self, account: Account) -> None:
        """Write down what the call used and what that costs."""
        used, cost = account.used, account.cost
        self._row |= {
            "call_secs": account.call_secs,
            "carrier_minutes": account.carrier_minutes,
            "total_tokens": used.total_tokens,
            **{f"cost_{part}": amount for part, amount in cost.parts.items()},
            "cost_total": cost.total,
            "cost_known": cost.known,
            "cached_savings": cost.llm_cached_savings,
        }
        self._put_call()
        amounts = [(kind, model, n) for model, kinds in used.tokens.items() for kind, n in kinds.items()]
        amounts += [("transcribed_secs", model, secs) for model, secs in used.transcribed_secs.items()]
        amounts += [("spoken_chars", model, count) for model, count in used.spoken_chars.items()]
        for kind, model, amount in amounts:
            row = {"call_id": self.call_id, "kind": str(kind), "model": model or "", "amount": float(amount)}
            self._writer.put(tables.usage, row)

    def about(self, **known: Any) -> None:
        """Write down what became known of the call only now: fields of `CallInfo` but its id and its start.

        Raises:
            VoicepipeError: There is no such field.
        """
        allowed = {one.name for one in fields(CallInfo)} - {"call_id", "started_at"}
        for name in known:
            if name not in allowed:
                raise VoicepipeError(
                    f"{name}: no such field of a call; there are {', '.join(sorted(allowed))}"
                )
        self._row |= known
        self._put_call()

    def end(self, reason: str, detail: str = "") -> None:
        """Write down how the call ended; only the first word on it counts.

        Args:
            reason: E.g. `RunResult.reason`, or why a telephone call was over.
            detail: What there is to say about it.
        """
        if self.is_open:
            self._row |= {
                "status": "ended",
                "ended_at": datetime.now(UTC),
                "end_reason": reason,
                "end_detail": detail,
            }
            self._put_call()

    def _put_call(self) -> None:
        self._row["seen_at"] = datetime.now(UTC)
        self._writer.put(tables.calls, dict(self._row))


class RecordStore:
    """Records in a database; use it as a context manager.

        async with RecordStore("calls.sqlite") as store:
            async with store.call(CallInfo(engine="openai_realtime")) as entry:
                result = await run(pipeline, observers=[CallObserver(entry)])
                entry.end(result.reason, result.detail)

    On entering, the tables are made if they are not there, those of an older version are brought up to date, and calls that
    a process left open when it died are marked as `abandoned`. On leaving, what waits is written.

    Args:
        where: A path or a URL; see `records_url`.

    Raises:
        SettingsError: A URL that cannot be read, or a database that records cannot be in.
    """

    def __init__(self, where: str | Path | None = None) -> None:
        self._url = records_url(where)
        self._run_id = uuid.uuid4().hex
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._database: Database | None = None
        self._writer: RowWriter | None = None

    async def __aenter__(self) -> Self:
        """Open the database.

        Raises:
            VoicepipeError: The database was written by a newer version.
            sqlalchemy.exc.SQLAlchemyError: It cannot be opened.
        """
        _make_private(file_of(self._url))
        self._database = database = Database(self._url)
        try:
            async with database.engine.begin() as connection:
                if file_of(self._url) is not None:
                    # Of two processes that start at once, one makes the tables.
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                await connection.run_sync(tables.metadata.create_all)
                await _bring_up_to_date(connection)
                await self._mark_abandoned(connection)
        except BaseException:
            await database.close()
            raise
        _open_here.add(self._run_id)
        self._writer = RowWriter(database.engine, heartbeat_secs=_HEARTBEAT_SECS, beat=self._beat)
        self._writer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits and close the database."""
        _open_here.discard(self._run_id)
        if self._writer is not None:
            await self._writer.close()
        if self._database is not None:
            await self._database.close()
        self._writer = self._database = None

    def begin(self, info: CallInfo) -> CallEntry:
        """Begin to record a call.

        Raises:
            VoicepipeError: The store is not open.
        """
        row: dict[str, Any] = {column.name: None for column in tables.calls.c}
        about = asdict(info)
        row |= {"id": about.pop("call_id"), **about}
        row |= {"status": "open", "host": self._host, "pid": self._pid, "run_id": self._run_id}
        return CallEntry(self._open_writer(), row)

    @asynccontextmanager
    async def call(self, info: CallInfo | None = None) -> AsyncGenerator[CallEntry]:
        """Record a call from here to the end of the block, which says how it ended if nobody else does.

        Args:
            info: What is known of the call.
        """
        entry = self.begin(info or CallInfo())
        try:
            yield entry
        except asyncio.CancelledError:
            entry.end("cancelled")
            raise
        except Exception as error:
            entry.end("failed", type(error).__name__)
            raise
        entry.end("ended")

    @property
    def dropped(self) -> int:
        """How many rows were given up: too many waited, or the database would not take them."""
        return self._open_writer().dropped

    async def written(self) -> None:
        """Wait until all that was told so far is in the database.

        Raises:
            VoicepipeError: The store is not open.
        """
        await self._open_writer().written()

    def _open_writer(self) -> RowWriter:
        if self._writer is None:
            raise VoicepipeError("the store of records is not open; use it as a context manager")
        return self._writer

    async def _beat(self, connection: AsyncConnection) -> None:
        calls = tables.calls
        ours = (calls.c.run_id == self._run_id) & (calls.c.status == "open")
        await connection.execute(update(calls).where(ours).values(seen_at=datetime.now(UTC)))

    async def _mark_abandoned(self, connection: AsyncConnection) -> None:
        calls = tables.calls
        columns = (calls.c.id, calls.c.host, calls.c.pid, calls.c.run_id, calls.c.seen_at)
        for row in await connection.execute(select(*columns).where(calls.c.status == "open")):
            is_ours = row.pid == self._pid
            is_dead = row.host == self._host and (
                row.run_id not in _open_here if is_ours else not _is_alive(row.pid)
            )
            if is_dead or datetime.now(UTC) - row.seen_at > _GIVEN_UP:
                found = {"status": "abandoned", "ended_at": row.seen_at, "end_reason": "process_died"}
                await connection.execute(update(calls).where(calls.c.id == row.id).values(found))
                logger.warning(f"call records: call {row.id} was left open by a process that died")


async def _bring_up_to_date(connection: AsyncConnection) -> None:
    """Have the database say which version it has now: what a version added were tables, which are made by then."""
    found = (await connection.execute(select(tables.versions.c.version))).scalar_one_or_none()
    if found is None:
        await connection.execute(insert(tables.versions).values(version=tables.SCHEMA_VERSION))
    elif found < tables.SCHEMA_VERSION:
        await connection.execute(update(tables.versions).values(version=tables.SCHEMA_VERSION))
        logger.info(f"call records: brought from version {found} to {tables.SCHEMA_VERSION}")
    elif found > tables.SCHEMA_VERSION:
        raise VoicepipeError(
            f"the records have version {found}, and this voicepipe reads version {tables.SCHEMA_VERSION}"
        )


def _make_private(path: Path | None) -> None:
    """Make the file if it is not there, for its owner alone: what people said is in it."""
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
