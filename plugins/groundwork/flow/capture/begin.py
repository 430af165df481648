"""The beginning of a stream: what it needs in the source is made, and the rows that are there come first.

Everything here can be run again: a beginning that died leaves a slot or triggers behind, which the next one takes up or
makes anew. When the position kept here does not fit what the source holds any more (the slot is gone or was given up,
the triggers were taken away, the server was set back), changes were lost; that is recorded, and a new snapshot brings
the target to what the source is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, create_engine, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from groundwork.flow import ledger as flow_ledger
from groundwork.flow.capture import ledger, outbox
from groundwork.flow.capture.apply import Applier
from groundwork.flow.capture.capability import Capability, detect
from groundwork.flow.capture.connect import APPLICATION, source_connection
from groundwork.flow.capture.declaration import Stream
from groundwork.flow.capture.event import Position, Way
from groundwork.flow.capture.log_reader import LogReader, log_position
from groundwork.flow.capture.lsn import lsn_number
from groundwork.flow.capture.outbox import CHANGE, CHANGE_COMMIT, CHANGE_READER
from groundwork.flow.capture.outbox_reader import OutboxReader, outbox_position
from groundwork.flow.capture.slot import created_slot, drop_slot, publish, published, slot_facts, unpublish
from groundwork.flow.capture.snapshot import open_snapshot, take
from groundwork.flow.faults import database_faults

Reader = LogReader | OutboxReader


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A stream that is ready to be read."""

    reader: Reader
    position: Position
    capability: Capability
    had_snapshot: bool


def begin(stream: Stream, source: URL, connection: Connection, applier: Applier | None) -> Begun:
    """Make ready what the stream needs and bring it to where changes can be read.

    Without an applier (changes go to a function) there is no snapshot: it begins with what is committed from now on.
    Raises: ConfigError when the source does not let it; RetriableError when a connection is lost.
    """
    with connection.begin():
        if applier is not None:
            flow_ledger.ensure(connection)
        row = ledger.register(connection, stream.name, stream.limit_bytes, stream.silent_seconds)
    with source_connection(source) as asked:
        capability = detect(asked, stream)
        lost = _lost(asked, source, stream, row, capability.way)
        if lost is not None and row["way"] not in (None, str(capability.way)):
            remove_way(asked, source, Way(row["way"]), str(row["slot"]))
    had_snapshot = lost is not None
    if lost is not None:
        with connection.begin():
            kind = "started" if row["position"] is None else "lost"
            ledger.tell(connection, stream.name, kind, f"{lost}; a new snapshot is taken ({capability.reason})")
            for warning in capability.warnings:
                ledger.tell(connection, stream.name, "warning", warning)
            names = sorted(stream.sources)
            ledger.change(
                connection,
                stream.name,
                position=None,
                way=str(capability.way),
                reason=capability.reason,
                tables=names,
                columns=_columns(stream),
            )
        fresh = _begin_log if capability.way is Way.LOG else _begin_outbox
        position = fresh(stream, source, connection, applier, str(row["slot"]))
    else:
        position = row["position"]
    return Begun(
        reader=reader(stream, source, str(row["slot"]), position),
        position=position,
        capability=capability,
        had_snapshot=had_snapshot,
    )


def reader(stream: Stream, source: URL, slot: str, position: Position) -> Reader:
    """What reads the stream from a position on."""
    if position["way"] == Way.LOG:
        return LogReader(source, slot, position)
    return OutboxReader(source, slot, frozenset(stream.sources), position)


def remove_way(asked: psycopg.Connection[Any], source: URL, way: Way, slot: str) -> None:
    """Take away what a stream has in its source. Idempotent."""
    if way is Way.LOG:
        drop_slot(asked, slot)
        unpublish(asked, slot)
        return
    with outbox_session(source) as connection:
        give_up_reader(connection, slot)


def outbox_session(source: URL) -> Any:
    """A transaction in the source's database, for what the outbox needs there."""
    # groundwork: allow own_engine the source is any server, reached by the address that was handed in
    engine = create_engine(source, poolclass=NullPool, connect_args={"application_name": APPLICATION})
    return engine.begin()


def give_up_reader(connection: Connection, slot: str) -> None:
    """Remove a reader of the outbox, and the triggers of tables that nobody else reads; their rows go too."""
    if not connection.scalar(text("SELECT to_regclass('groundwork_flow.change_reader') IS NOT NULL")):
        return
    row = connection.execute(CHANGE_READER.delete().where(CHANGE_READER.c.reader == slot).returning(CHANGE_READER))
    found = row.mappings().first()
    for name in found["tables"] if found else ():
        others = CHANGE_READER.select().where(CHANGE_READER.c.tables.contains([name]))
        if connection.execute(others).first() is None:
            schema, _, table = name.partition(".")
            outbox.unwatch(connection, schema, table)
            connection.execute(CHANGE.delete().where(CHANGE.c.schema_name == schema, CHANGE.c.table_name == table))
    if connection.execute(CHANGE_READER.select()).first() is None and not _is_any_watched(connection):
        connection.execute(text(f"TRUNCATE {CHANGE.fullname}, {CHANGE_COMMIT.fullname}"))


def _is_any_watched(connection: Connection) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = to_regproc('groundwork_flow.capture_change'))"
    return bool(connection.scalar(text(query)))


def _lost(asked: psycopg.Connection[Any], source: URL, stream: Stream, row: Mapping[str, Any], way: Way) -> str | None:
    """Why the position cannot be gone on from; null when it can."""
    names = list(stream.sources)
    if row["position"] is None:
        return "there is no position yet"
    if row["way"] != way:
        return f"the way changed from {row['way']} to {way}"
    if sorted(row["tables"]) != sorted(names) or row["columns"] != _columns(stream):
        return "other tables or columns are declared than were captured"
    if way is Way.LOG:
        return _lost_log(asked, str(row["slot"]), row["position"], set(names))
    with outbox_session(source) as connection:
        return _lost_outbox(connection, str(row["slot"]), stream)


def _columns(stream: Stream) -> dict[str, dict[str, str]]:
    """What feeds what; a column that is declared later has values that were never told."""
    return {table.name: {**table.columns, **table.facts} for table in stream.tables}


def _lost_log(asked: psycopg.Connection[Any], slot: str, position: Position, names: set[str]) -> str | None:
    facts, at = slot_facts(asked, slot), lsn_number(str(position["lsn"]))
    if facts is None:
        return "the replication slot is gone"
    if facts.is_lost:
        return "the server gave the replication slot up (max_slot_wal_keep_size)"
    if facts.confirmed_lsn > at:
        return "somebody else moved the replication slot on"
    row = asked.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    if row is not None and lsn_number(str(row[0])) < at:
        return "the source was set back to an earlier state"
    if published(asked, slot) != names:
        return "the publication was changed"
    return None


def _lost_outbox(connection: Connection, slot: str, stream: Stream) -> str | None:
    if not connection.scalar(text("SELECT to_regclass('groundwork_flow.change_reader') IS NOT NULL")):
        return "the outbox is gone"
    found = connection.execute(CHANGE_READER.select().where(CHANGE_READER.c.reader == slot)).mappings().first()
    if found is None:
        return "the reader of the outbox was given up"
    if found["is_lost"]:
        return "the outbox reached its limit, or the triggers were taken away"
    for table in stream.tables:
        if not outbox.is_watched(connection, table.source_schema, table.source_table, with_images=True):
            return f"the triggers of {table.source} are gone"
    return None


def _begin_log(stream: Stream, source: URL, connection: Connection, applier: Applier | None, slot: str) -> Position:
    with source_connection(source) as asked:
        drop_slot(asked, slot)
        publish(asked, slot, list(stream.sources.values()))
    with created_slot(source, slot) as (snapshot, lsn):
        position = log_position(lsn)
        _snapshot(stream, source, connection, applier, position, name=snapshot)
    return position


def _begin_outbox(stream: Stream, source: URL, connection: Connection, applier: Applier | None, slot: str) -> Position:
    with outbox_session(source) as made:
        outbox.ensure(made)
        give_up_reader(made, slot)
    with database_faults(stream.name), outbox_session(source) as made:
        for table in stream.tables:
            key = table.source_key or _source_key(made, table.source_schema, table.source_table)
            outbox.watch(made, table.source_schema, table.source_table, key, with_images=True)
        now = outbox.bookmark(made)
        facts = {
            "tables": sorted(stream.sources),
            "done": now,
            "limit_bytes": stream.limit_bytes,
            "is_lost": False,
            "heartbeat_at": func.clock_timestamp(),
        }
        made.execute(insert(CHANGE_READER).values(reader=slot, **facts))
    return _snapshot(stream, source, connection, applier, None)


def _source_key(connection: Connection, schema: str, table: str) -> list[str]:
    query = text(
        "SELECT a.attname FROM pg_index AS i "
        "JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indisprimary "
        "AND i.indrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))"
    )
    return [str(name) for name in connection.scalars(query, {"schema": schema, "name": table})]


def _snapshot(
    stream: Stream,
    source: URL,
    connection: Connection,
    applier: Applier | None,
    position: Position | None,
    *,
    name: str | None = None,
) -> Position:
    """Bring the rows in and write the position, in one transaction; without a position it is that of the snapshot."""
    with connection.begin():
        if applier is not None:
            seen = take(source, applier, name=name)
        else:
            with source_connection(source) as asked:
                seen = open_snapshot(asked)
        found = position or outbox_position(seen)
        ledger.move(connection, stream.name, found)
        ledger.change(connection, stream.name, snapshot_at=func.clock_timestamp())
        rows = sum(counts["read"] for counts in applier.books.counts.values()) if applier else 0
        ledger.tell(connection, stream.name, "snapshot", f"{rows} rows, then the changes behind them")
    return found
