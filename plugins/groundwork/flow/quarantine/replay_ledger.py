"""What a replay of quarantined rows intends, written down before it loads, so that no death of it loads a row twice.

Grain: one row of `replay` per load of a replay. The load commits rows and books; only afterwards the quarantined rows
are settled. A replay that died between the two is found here by its run id, and settled by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from groundwork.flow.ledger import LEDGER, LOAD, QUARANTINE
from groundwork.flow.quarantine.row import ROW_MARK
from groundwork.flow.statement import changed_rows

REPLAY = Table(
    "replay",
    LEDGER,
    Column("replay_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Text, nullable=False, unique=True, comment="run id of the load, the replay's own"),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("quarantine_ids", ARRAY(BigInteger), nullable=False, comment="in the order of the load's positions, from 1"),
    Column("load_id", BigInteger, comment="the load, once it is settled; null: it never committed"),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("settled_at", DateTime(timezone=True), comment="null: under way, or its process died"),
    Index(None, "schema_name", "table_name", "replay_id"),
)


def intend(connection: Connection, schema: str, table: str, run_id: str, ids: Sequence[int]) -> None:
    """Write down that the load `run_id` is going to bring these rows, in this order."""
    values = {"schema_name": schema, "table_name": table, "run_id": run_id, "quarantine_ids": list(ids)}
    connection.execute(insert(REPLAY).values(**values))


def unsettled(connection: Connection, schema: str, table: str) -> list[Mapping[str, Any]]:
    """Replays of a table that were begun and not settled, oldest first; columns of `replay`."""
    query = select(REPLAY).where(
        REPLAY.c.schema_name == schema, REPLAY.c.table_name == table, REPLAY.c.settled_at.is_(None)
    )
    return [dict(row) for row in connection.execute(query.order_by(REPLAY.c.replay_id)).mappings()]


def settle(connection: Connection, intended: Mapping[str, Any]) -> int:
    """Settle the rows of one replay by what its load did; returns how many are in the table now.

    What failed again keeps its row, with the reasons of this time; the row that the load itself wrote for it becomes
    evidence, so that it is never counted twice. Nothing happens to rows of a load that did not commit.
    """
    load_id = connection.scalar(
        select(func.max(LOAD.c.load_id)).where(LOAD.c.run_id == intended["run_id"], LOAD.c.state == "finished")
    )
    loaded = 0
    if load_id is not None:
        again = _failed_again(connection, load_id, intended["quarantine_ids"])
        brought = [each for each in intended["quarantine_ids"] if each not in again]
        for quarantine_id, reasons in again.items():
            kept = update(QUARANTINE).where(QUARANTINE.c.quarantine_id == quarantine_id, _is_held())
            connection.execute(kept.values(reasons=reasons))
        connection.execute(update(QUARANTINE).where(QUARANTINE.c.load_id == load_id).values(state="evidence"))
        replayed = update(QUARANTINE).where(QUARANTINE.c.quarantine_id == func.any(brought), _is_held())
        loaded = changed_rows(connection, replayed.values(state="replayed", settled_by_load_id=load_id))
    done = update(REPLAY).where(REPLAY.c.replay_id == intended["replay_id"])
    connection.execute(done.values(settled_at=func.clock_timestamp(), load_id=load_id))
    return loaded


def _is_held() -> Any:
    return QUARANTINE.c.state == "held"


def _failed_again(connection: Connection, load_id: int, ids: Sequence[int]) -> dict[int, Any]:
    """Quarantine id → its reasons of this time; that the record is a row of the table stays said."""
    query = select(QUARANTINE.c.position, QUARANTINE.c.reasons).where(QUARANTINE.c.load_id == load_id)
    again = {ids[row.position - 1]: row.reasons for row in connection.execute(query)}
    is_row = QUARANTINE.c.reasons.contains([{ROW_MARK: True}])
    own = select(QUARANTINE.c.quarantine_id).where(QUARANTINE.c.quarantine_id == func.any(list(again)), is_row)
    rows: Sequence[int] = connection.scalars(own).all() if again else ()
    for quarantine_id in rows:
        again[quarantine_id] = [{**each, ROW_MARK: True} for each in again[quarantine_id]]
    return again
