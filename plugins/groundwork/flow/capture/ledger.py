"""What the warehouse knows of its streams: where each one stands, and what happened to it.

Grain: `stream` one row per domain and connection; `stream_event` one per thing that happened (installed, snapshot,
slot dropped, …); `stream_hour` one per stream and hour in which a consumer was at work, kept for sixty days. A position
is written in the transaction of the rows it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateSchema

from groundwork.flow.capture.event import Position
from groundwork.flow.ledger import SCHEMA
from groundwork.flow.ledger_upgrade import missing_columns, upgrade

CAPTURE = MetaData(
    schema=SCHEMA, naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)
_LOCK = 5_201_824  # advisory lock of those who make these tables; any fixed number of ours
_NOW = text("clock_timestamp()")
_NULLABLE = JSONB(none_as_null=True)  # a position that is gone is SQL NULL, for people who ask

STREAM = Table(
    "stream",
    CAPTURE,
    Column("stream", Text, primary_key=True, comment="domain.connection"),
    Column("slot", Text, nullable=False, comment="name of slot, publication and outbox reader in the source"),
    Column("way", Text, comment="log or outbox; null before the first start"),
    Column("reason", Text, comment="why that way"),
    Column("tables", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="schema.table in the source"),
    Column("columns", _NULLABLE, comment="schema.table of the target → column → column of the source"),
    Column("position", _NULLABLE, comment="everything before it is applied; null: the next start takes a snapshot"),
    Column("is_wanted", Boolean, nullable=False, server_default=text("true"), comment="false: a person stopped it"),
    Column("changes", BigInteger, nullable=False, server_default=text("0"), comment="applied since the first start"),
    Column("limit_bytes", BigInteger, nullable=False),
    Column("silent_seconds", BigInteger, nullable=False),
    Column("committed_at", DateTime(timezone=True), comment="when the source committed what was applied last"),
    Column("snapshot_at", DateTime(timezone=True)),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("lag", _NULLABLE, comment="rows, bytes, seconds behind and bytes kept, as they were measured last"),
    Column("measured_at", DateTime(timezone=True)),
    Column("caught_up_at", DateTime(timezone=True), comment="when the consumer last had everything"),
)
STREAM_EVENT = Table(
    "stream_event",
    CAPTURE,
    Column("stream_event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("told", Text, nullable=False, comment="what happened and why, for people"),
    Column("happened_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Index(None, "stream", "stream_event_id"),
)
STREAM_HOUR = Table(
    "stream_hour",
    CAPTURE,
    Column("stream", Text, primary_key=True),
    Column("hour_at", DateTime(timezone=True), primary_key=True, comment="when the hour began"),
    Column("failures", BigInteger, nullable=False, comment="consumers that failed in it"),
)
_KEPT = timedelta(days=60)


def ensure(connection: Connection) -> None:
    """Make the tables where they are missing or of an older form; idempotent, safe at once."""
    if _are_there(connection, CAPTURE.sorted_tables) and not missing_columns(connection, CAPTURE):
        return
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    CAPTURE.create_all(connection)
    upgrade(connection, CAPTURE)


def is_there(connection: Connection) -> bool:
    """Whether streams can be asked about; hours may be missing where nothing was captured since they are counted."""
    return _are_there(connection, (STREAM, STREAM_EVENT))


def _are_there(connection: Connection, tables: Sequence[Table]) -> bool:
    found = (func.to_regclass(table.fullname).is_not(None) for table in tables)
    return all(connection.execute(select(*found)).one())


def register(connection: Connection, stream: str, limit_bytes: int, silent_seconds: float) -> Mapping[str, Any]:
    """The row of a stream, made when there is none; its slot has a name of its own for this warehouse."""
    ensure(connection)
    word = re.sub("[^a-z0-9]+", "_", stream.lower()).strip("_")[:40]
    bounds = {"limit_bytes": limit_bytes, "silent_seconds": int(silent_seconds)}
    statement = upsert(STREAM).values(stream=stream, slot=f"groundwork_{word}_{uuid4().hex[:8]}", **bounds)
    connection.execute(statement.on_conflict_do_update(index_elements=[STREAM.c.stream], set_=bounds))
    return find(connection, stream) or {}


def find(connection: Connection, stream: str) -> Mapping[str, Any] | None:
    """The row of a stream; null when there is none."""
    found = connection.execute(select(STREAM).where(STREAM.c.stream == stream)).mappings().first()
    return dict(found) if found else None


def all_streams(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """The rows of all streams by name; none when nothing was ever captured."""
    if not is_there(connection):
        return []
    return [dict(row) for row in connection.execute(select(STREAM).order_by(STREAM.c.stream)).mappings()]


def change(connection: Connection, stream: str, **values: Any) -> None:
    """Write columns of a stream's row; it was seen alive now."""
    row = update(STREAM).where(STREAM.c.stream == stream)
    connection.execute(row.values(**values, heartbeat_at=func.clock_timestamp()))


def move(
    connection: Connection, stream: str, position: Position, *, changes: int = 0, committed_at: datetime | None = None
) -> None:
    """Everything before `position` is applied; in the transaction of what was applied."""
    values: dict[str, Any] = {"position": dict(position), "changes": STREAM.c.changes + changes}
    if committed_at is not None:
        values["committed_at"] = committed_at
    change(connection, stream, **values)


def keep_lag(connection: Connection, stream: str, lag: Mapping[str, Any]) -> None:
    """Write what was measured of a stream; that is no sign of life of its consumer."""
    row = update(STREAM).where(STREAM.c.stream == stream)
    connection.execute(row.values(lag=dict(lag), measured_at=func.clock_timestamp()))


def pass_over(connection: Connection, stream: str, old: Position, new: Position) -> None:
    """Nothing between two positions concerns the stream; nothing happens when a consumer moved on meanwhile."""
    row = update(STREAM).where(STREAM.c.stream == stream, STREAM.c.position == dict(old))
    connection.execute(row.values(position=dict(new), heartbeat_at=func.clock_timestamp()))


def tell(connection: Connection, stream: str, kind: str, told: str) -> None:
    """Record that something happened to a stream."""
    connection.execute(insert(STREAM_EVENT).values(stream=stream, kind=kind, told=told))


def events(connection: Connection, stream: str, limit: int = 20) -> Sequence[Mapping[str, Any]]:
    """What happened to a stream, the newest first."""
    query = select(STREAM_EVENT).where(STREAM_EVENT.c.stream == stream)
    rows = connection.execute(query.order_by(STREAM_EVENT.c.stream_event_id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]


def at_work(connection: Connection, stream: str, *, failures: int = 0) -> None:
    """Record that a consumer is at work in this hour, and how many failed now."""
    hour = func.date_trunc("hour", func.clock_timestamp(), "UTC")
    row = upsert(STREAM_HOUR).values(stream=stream, hour_at=hour, failures=failures)
    counted = {"failures": STREAM_HOUR.c.failures + row.excluded.failures}
    connection.execute(row.on_conflict_do_update(index_elements=STREAM_HOUR.primary_key, set_=counted))
    is_old = STREAM_HOUR.c.hour_at < func.clock_timestamp() - _KEPT
    connection.execute(STREAM_HOUR.delete().where(STREAM_HOUR.c.stream == stream, is_old))


def hours(connection: Connection, names: Collection[str], since: datetime) -> Sequence[Mapping[str, Any]]:
    """The rows of `stream_hour` of these streams, of hours that ended after `since`."""
    if not _are_there(connection, (STREAM_HOUR,)):
        return []
    ended = STREAM_HOUR.c.hour_at > since - timedelta(hours=1)
    query = select(STREAM_HOUR).where(STREAM_HOUR.c.stream.in_(names), ended)
    return [dict(row) for row in connection.execute(query).mappings()]


def forget(connection: Connection, stream: str) -> None:
    """Remove a stream's row; what happened to it stays."""
    connection.execute(STREAM.delete().where(STREAM.c.stream == stream))
