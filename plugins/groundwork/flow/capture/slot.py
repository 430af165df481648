"""Publication and replication slot in the source: made, looked at and removed by us, and nobody else's ever touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from groundwork.flow.capture.declaration import StreamTable
from groundwork.flow.capture.lsn import lsn_number
from groundwork.flow.capture.wire import Wire

_FACTS = """
SELECT confirmed_flush_lsn::text AS confirmed, active, active_pid, wal_status, plugin, database,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS retained
FROM pg_replication_slots WHERE slot_name = %s
"""
_RELEASE_SECONDS = 10  # a server notices a dead reader late


@dataclass(frozen=True, kw_only=True)
class SlotFacts:
    """A slot as the server tells; `retained_bytes` is the log kept for it, null when the server already gave it up."""

    confirmed_lsn: int
    is_active: bool
    active_pid: int | None
    is_lost: bool
    retained_bytes: int | None


def slot_facts(connection: psycopg.Connection[Any], slot: str) -> SlotFacts | None:
    """The slot, or null when there is none of that name in this database."""
    row = connection.execute(_FACTS, (slot,)).fetchone()
    if row is None:
        return None
    confirmed, active, pid, status, _, _, retained = row
    return SlotFacts(
        confirmed_lsn=lsn_number(confirmed or "0/0"),
        is_active=bool(active),
        active_pid=pid,
        is_lost=status == "lost",
        retained_bytes=None if retained is None else int(retained),
    )


def publish(connection: psycopg.Connection[Any], publication: str, tables: Sequence[StreamTable]) -> None:
    """Make the publication, or bring it to exactly these tables; idempotent."""
    names = sql.SQL(", ").join(sql.Identifier(table.source_schema, table.source_table) for table in tables)
    found = connection.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", (publication,)).fetchone()
    statement = (
        "ALTER PUBLICATION {} SET TABLE {}"
        if found
        else "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)"
    )
    connection.execute(sql.SQL(statement).format(sql.Identifier(publication), names))


def published(connection: psycopg.Connection[Any], publication: str) -> set[str]:
    """`schema.table` of what is published; empty when there is no publication."""
    query = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"
    return {f"{schema}.{table}" for schema, table in connection.execute(query, (publication,)).fetchall()}


@contextlib.contextmanager
def created_slot(url: URL, slot: str) -> Iterator[tuple[str, int]]:
    """Make the slot and hand out the name of a snapshot of that very moment, valid within the block, and its position.

    Raises: RetriableError when the server does not make it.
    """
    wire = Wire(url, slot)
    try:
        position, snapshot = wire.create_slot()
        yield snapshot, lsn_number(position)
    finally:
        wire.close()


def drop_slot(connection: psycopg.Connection[Any], slot: str) -> bool:
    """Drop the slot, ending who reads from it; true when there was one."""
    facts = slot_facts(connection, slot)
    if facts is None:
        return False
    if facts.active_pid is not None:
        connection.execute("SELECT pg_terminate_backend(%s, %s)", (facts.active_pid, _RELEASE_SECONDS * 1000))
    try:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    except psycopg.errors.UndefinedObject:
        return False
    return True


def unpublish(connection: psycopg.Connection[Any], publication: str) -> None:
    """Remove the publication; idempotent."""
    connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(publication)))
