"""Rows of the quarantine that a person gives up: marked with who, when and why, and never taken away.

The books of the load that found them stay as they are, because the records stay in quarantine; a replay leaves them
out. There is no way back but a new load of their source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Engine, func, update

from groundwork.contracts.contract import TableContract
from groundwork.flow.faults import database_faults
from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.quarantine.read import HELD, Selection, total
from groundwork.flow.quarantine.turn import recover, turn
from groundwork.flow.statement import changed_rows
from groundwork.model.errors import ConfigError

DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True)
class DropResult:
    """What was given up, in rows of the quarantine; `left` are still held of the whole table."""

    table: str
    dropped: int
    left: int
    because: str

    def to_json(self) -> Mapping[str, Any]:
        """JSON-ready, without any value of a row."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.table}: {self.dropped} rows of the quarantine dropped, {self.left} still held"


def drop_quarantined(
    engine: Engine, table: TableContract, *, selection: Selection | None = None, actor: str, because: str
) -> DropResult:
    """Give up the held rows of `table` that `selection` means (all by default), for good.

    Idempotent: a row that was dropped is not held any more. Waits for a replay of the table that is under way; the rows
    which that brought in are not held either.
    Raises: ConfigError without a reason, or when the ids of the selection name a row that is not held.
    """
    if not because.strip():
        raise ConfigError(
            "rows of the quarantine are not given up without a reason",
            where=table.qualified_name,
            expected="a sentence that says why",
            next_step="groundwork quarantine drop TABLE --because TEXT",
        )
    held = Selection(schema=table.schema, table=table.name, state=HELD)
    wanted = replace(selection or held, schema=table.schema, table=table.name, state=HELD)
    with database_faults(table.qualified_name), turn(engine, table.qualified_name) as connection:
        recover(connection, table.schema, table.name)
        with connection.begin():
            marked = update(QUARANTINE).where(wanted.condition())
            told = {"state": DROPPED, "dropped_by": actor, "dropped_because": because.strip()}
            dropped = changed_rows(connection, marked.values(**told, dropped_at=func.clock_timestamp()))
            if wanted.ids and dropped < len(set(wanted.ids)):
                raise _not_held(table, wanted, dropped)  # and nothing is dropped
            left = total(connection, held)
    return DropResult(table=table.qualified_name, dropped=dropped, left=left, because=because.strip())


def _not_held(table: TableContract, selection: Selection, found: int) -> ConfigError:
    return ConfigError(
        "not all of these rows are held in quarantine",
        where=table.qualified_name,
        expected=f"{len(set(selection.ids))} rows of the table that are held, and that the other options mean",
        found=f"{found}; nothing was dropped",
        next_step=f"groundwork quarantine list --rows --table {table.qualified_name}",
    )
