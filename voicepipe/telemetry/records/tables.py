"""The tables of records. Amounts of money are exact; times in a call are milliseconds since its start."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine


class Money(TypeDecorator[Decimal]):
    """US dollars: a NUMERIC where the database has exact ones, text in SQLite, which has only binary fractions."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type in a database."""
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(String(40) if is_sqlite else Numeric(24, 12))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return an amount as the database takes it."""
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Return an amount as it was."""
        return None if value is None else Decimal(value)


class Moment(TypeDecorator[datetime]):
    """A moment with a time zone, kept as UTC: SQLite keeps no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return a moment as the database takes it."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return a moment with its time zone."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


metadata = MetaData()
SCHEMA_VERSION = 2
"""Kept in the database, so that a later version can tell what it finds."""


def _of_call() -> Column[str]:
    return Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)


versions = Table("voicepipe_records", metadata, Column("version", Integer, primary_key=True))

calls = Table(
    "calls",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("status", String(16), nullable=False, index=True),
    Column("started_at", Moment, nullable=False, index=True),
    Column("seen_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("end_reason", String(64)),
    Column("end_detail", Text),
    Column("direction", String(16)),
    Column("caller", String(128)),
    Column("called", String(128)),
    Column("carrier", String(64)),
    Column("engine", String(128)),
    Column("model", String(128)),
    Column("labels", JSON),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("run_id", String(32), nullable=False),
    Column("call_secs", Float),
    Column("carrier_minutes", Money),
    Column("total_tokens", Integer),
    Column("cost_llm", Money),
    Column("cost_stt", Money),
    Column("cost_tts", Money),
    Column("cost_telephony", Money),
    Column("cost_total", Money),
    Column("cost_known", Money),
    Column("cached_savings", Money),
)

turns = Table(
    "turns",
    metadata,
    _of_call(),
    Column("index", Integer, primary_key=True),
    Column("started_ms", Float, nullable=False),
    Column("user_text", Text, nullable=False),
    Column("user_is_final", Boolean, nullable=False),
    Column("user_stopped_ms", Float),
    Column("bot_text", Text, nullable=False),
    Column("heard_text", Text),
    Column("bot_started_ms", Float),
    Column("bot_stopped_ms", Float),
    Column("said_ms", Float, nullable=False),
    Column("heard_ms", Float, nullable=False),
    Column("is_interrupted", Boolean, nullable=False),
    Column("latency_ms", Float),
    Column("server_ms", Float),
    Column("added_ms", Float),
)

tools = Table(
    "tools",
    metadata,
    _of_call(),
    Column("index", Integer, primary_key=True),
    Column("turn_index", Integer, nullable=False),
    Column("tool_call_id", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    Column("arguments", JSON),
    Column("started_ms", Float, nullable=False),
    Column("ended_ms", Float),
    Column("result", JSON),
    Column("status", String(16), nullable=False),
)

faults = Table(
    "faults",
    metadata,
    _of_call(),
    Column("index", Integer, primary_key=True),
    Column("at_ms", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("is_fatal", Boolean, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    _of_call(),
    # What was used: a kind of token, `transcribed_secs` or `spoken_chars`.
    Column("kind", String(32), primary_key=True),
    Column("model", String(128), primary_key=True),
    Column("amount", Float, nullable=False),
)

# Since version 2.
events = Table(
    "events",
    metadata,
    _of_call(),
    Column("index", Integer, primary_key=True),
    Column("at_ms", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
