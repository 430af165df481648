"""The guard of streams: what a dead consumer would keep in the source is taken away before it fills the disk.

A stream is given up when its slot (or the outbox) holds more than its limit, or its consumer was not seen for too long.
That is recorded, and the next start begins with a snapshot. The guard is run by whatever of ours is alive: the watcher
of each stream, every consumer, and `groundwork capture guard`. When nothing of ours runs, `max_slot_wal_keep_size` of
the source bounds a slot, and the outbox's own triggers bound the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, text

from groundwork.flow.capture import ledger
from groundwork.flow.capture.begin import outbox_session, remove_way
from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.event import Way
from groundwork.flow.capture.ledger import STREAM
from groundwork.flow.capture.outbox import CHANGE_READER
from groundwork.flow.capture.outbox_reader import outbox_pending
from groundwork.flow.capture.slot import slot_facts
from groundwork.flow.faults import database_faults


def guard(stream: str, source: URL, target: Engine) -> str | None:
    """Give a stream up when it must be; why, or null when all is well.

    Raises: RetriableError when source or warehouse cannot be reached.
    """
    with database_faults(stream), target.connect() as connection:
        with connection.begin():
            row = ledger.find(connection, stream) if ledger.is_there(connection) else None
            silent = _silent_seconds(connection, stream) if row else 0.0
        if row is None or row["way"] is None:
            return None
        way, slot = Way(row["way"]), str(row["slot"])
        with source_connection(source) as asked:
            reason = _reason(asked, source, row, silent)
            if reason is None:
                return None
            remove_way(asked, source, way, slot)
        with connection.begin():
            ledger.tell(connection, stream, "given_up", f"{reason}; the next start takes a snapshot")
            _clear(connection, stream)
    return reason


def drop(stream: str, source: URL, target: Engine) -> bool:
    """Take away what a stream has in its source and its row here; true when there was one. Idempotent.

    Raises: RetriableError when source or warehouse cannot be reached.
    """
    with database_faults(stream), target.connect() as connection:
        with connection.begin():
            row = ledger.find(connection, stream) if ledger.is_there(connection) else None
        if row is None:
            return False
        with source_connection(source) as asked:
            for way in Way if row["way"] is None else (Way(row["way"]),):
                remove_way(asked, source, way, str(row["slot"]))
        with connection.begin():
            ledger.tell(connection, stream, "dropped", "slot, publication, triggers and position were taken away")
            ledger.forget(connection, stream)
    return True


def _reason(asked: psycopg.Connection[Any], source: URL, row: Mapping[str, Any], silent: float) -> str | None:
    limit, patience = int(row["limit_bytes"]), int(row["silent_seconds"])
    kept, what = _kept(asked, source, row)
    if kept is None:
        return None
    if kept > limit:
        return f"{what} holds {kept} bytes, more than {limit}"
    if silent > patience:
        return f"no consumer was seen for {silent:.0f} s, more than {patience} s"
    return None


def _kept(asked: psycopg.Connection[Any], source: URL, row: Mapping[str, Any]) -> tuple[int | None, str]:
    """Bytes that the source keeps for the stream, null when it keeps none; and where."""
    if row["way"] == Way.LOG:
        facts = slot_facts(asked, str(row["slot"]))
        return (facts.retained_bytes or 0 if facts else None), "the replication slot"
    with outbox_session(source) as connection:
        if not connection.scalar(text("SELECT to_regclass('groundwork_flow.change_reader') IS NOT NULL")):
            return None, "the outbox"
        there = CHANGE_READER.select().where(CHANGE_READER.c.reader == row["slot"])
        if connection.execute(there).first() is None:
            return None, "the outbox"
        size = int(connection.scalar(text("SELECT pg_total_relation_size('groundwork_flow.change')")) or 0)
    if size <= row["limit_bytes"] or row["position"] is None:
        return size if row["position"] is None else 0, "the outbox"
    return outbox_pending(asked, row["position"], row["tables"]).size_bytes, "the outbox"


def _silent_seconds(connection: Connection, stream: str) -> float:
    query = (
        "SELECT extract(epoch FROM clock_timestamp() - heartbeat_at) FROM groundwork_flow.stream WHERE stream = :name"
    )
    return float(connection.scalar(text(query), {"name": stream}) or 0)


def _clear(connection: Connection, stream: str) -> None:
    """Forget the position, and leave the heartbeat as it is: nobody was seen."""
    row = STREAM.update().where(STREAM.c.stream == stream)
    connection.execute(row.values(position=None, caught_up_at=None))
