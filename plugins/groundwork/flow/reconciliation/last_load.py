"""The load that a table is reconciled with: what it was asked to read, and what it says it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select, true

from groundwork.flow.ledger import LOAD, QUARANTINE
from groundwork.flow.quarantine.replay_ledger import REPLAY
from groundwork.flow.window import Window, window_of


@dataclass(frozen=True, kw_only=True)
class LastLoad:
    """The newest finished load of a table; replays of the quarantine and drills are none.

    `source` is where it read, for people: the declared source, a part of it, or a file that took its place.
    `read` counts records of the source, those outside of `window` not among them. `watermark_before` is group → value
    from which a source was read on that can be asked for less than all. `rejected` are positions of the source whose
    records went to quarantine; null when they cannot be told, because the load was cut into parts that count their own.
    """

    load_id: int
    source: str
    read: int
    checksum: str | None
    window: Window | None
    watermark_before: Mapping[str, str]
    rejected: frozenset[int] | None


def last_load(connection: Connection, schema: str, table: str) -> LastLoad | None:
    """The last load of `schema.table`; null when there was none, or the ledger is not there."""
    if not _is_there(connection, LOAD):
        return None
    is_first = LOAD.c.run_id.not_in(select(REPLAY.c.run_id)) if _is_there(connection, REPLAY) else true()
    query = (
        select(LOAD)
        .where(LOAD.c.schema_name == schema, LOAD.c.table_name == table)
        .where(LOAD.c.state == "finished", ~LOAD.c.is_trial, is_first)
        .order_by(LOAD.c.load_id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return LastLoad(
        load_id=row["load_id"],
        source=row["source"],
        read=row["read"],
        checksum=row["checksum"],
        window=window_of(row["window_start"], row["window_end"]),
        watermark_before=row["watermark_before"],
        rejected=_rejected(connection, row["load_id"], row["source"]),
    )


def _is_there(connection: Connection, table: Table) -> bool:
    return bool(connection.scalar(select(func.to_regclass(table.fullname).is_not(None))))


def _rejected(connection: Connection, load_id: int, source: str) -> frozenset[int] | None:
    rejected = select(QUARANTINE.c.source, QUARANTINE.c.position).where(QUARANTINE.c.load_id == load_id)
    rows = connection.execute(rejected).all()
    return frozenset(row.position for row in rows) if {row.source for row in rows} <= {source} else None
