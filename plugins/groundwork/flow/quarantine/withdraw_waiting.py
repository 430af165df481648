"""Rows of a load that wait to be published and break a rule by now, put among those that the load rejects.

They were right when they were read: what they refer to went away since, and so the load could never be published. The
next try of the load takes them into quarantine with its own books; until then they can come back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Table, func, select, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.ledger import STAGED
from groundwork.flow.loads.examination import POSITION
from groundwork.flow.loads.row_checks import RowChecks
from groundwork.flow.loads.staging import PART_SHIFT, StagingArea
from groundwork.flow.quarantine.live_row import as_record, live_columns
from groundwork.flow.quarantine.row import ROW_MARK
from groundwork.flow.record import Reason

_MOVED_BY = "moved_by"  # key of a reason: the run that rejected the row
_COUNTED = text(
    "UPDATE groundwork_flow.staged SET rejected = rejected + :rows, updated_at = clock_timestamp() "
    "WHERE schema_name = :schema AND table_name = :table AND part = :part"
)


def broken_waiting(connection: Connection, domain: Domain, table: TableContract) -> Mapping[int, Sequence[Reason]]:
    """Position → reasons of the waiting rows of `table` that break its contract; empty when none wait."""
    area = StagingArea(contract=table, schema=table.schema)
    if not _is_there(connection, area.rows):
        return {}
    return RowChecks(connection, domain, table, table.schema).broken(area.rows)


def reject_waiting(
    connection: Connection, table: TableContract, broken: Mapping[int, Sequence[Reason]], run_id: str
) -> int:
    """Put these waiting rows among the rejected ones, whole and with their reasons; returns how many they were.

    The caller's transaction holds the lock of the table's loads.
    """
    area = StagingArea(contract=table, schema=table.schema)
    columns = [
        each for each in live_columns(connection, str(area.rows.schema), area.rows.name) if each.name != POSITION
    ]
    marks = {
        str(position): [{**reason.to_json(), ROW_MARK: True, _MOVED_BY: run_id} for reason in reasons]
        for position, reasons in broken.items()
    }
    statement = _REJECT.format(
        marks=sql.Literal(json.dumps(marks)),
        rows=_identifier(area.rows),
        rejected=_identifier(area.rejected),
        staged=_identifier(STAGED),
        position=sql.Identifier(POSITION),
        raw=as_record(columns),
        schema=sql.Literal(table.schema),
        table=sql.Literal(table.name),
        shift=sql.Literal(PART_SHIFT),
    )
    parts: list[Any] = list(run(connection, statement.as_string()).all())
    for part, count in parts:
        _count(connection, table, int(part), int(count))
    return sum(int(count) for _, count in parts)


def give_back_waiting(connection: Connection, table: TableContract, run_id: str) -> int:
    """Let rows that `run_id` rejected wait again; returns how many, 0 when their load went on or began anew."""
    area = StagingArea(contract=table, schema=table.schema)
    if not _is_there(connection, area.rejected):
        return 0
    mine = area.rejected.c.reasons.contains([{_MOVED_BY: run_id}])
    found = connection.execute(select(area.rejected.c.part, func.count()).where(mine).group_by(area.rejected.c.part))
    parts = [(int(row[0]), int(row[1])) for row in found]
    columns = [
        each for each in live_columns(connection, str(area.rows.schema), area.rows.name) if each.name != POSITION
    ]
    for part, count in parts:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in (POSITION, *(column.name for column in columns)))
        values = sql.SQL(", ").join(
            sql.SQL("CAST(raw ->> {} AS {})").format(sql.Literal(column.name), sql.SQL(column.type))
            for column in columns  # types as the server prints them
        )
        statement = _BACK.format(
            rejected=_identifier(area.rejected),
            rows=_identifier(area.part_rows(part)),
            names=names,
            values=values,
            part=sql.Literal(part),
            shift=sql.Literal(PART_SHIFT),
            mine=sql.Literal(json.dumps([{_MOVED_BY: run_id}])),
        )
        run(connection, statement.as_string())
        _count(connection, table, part, -count)
    return sum(count for _, count in parts)


def _count(connection: Connection, table: TableContract, part: int, rows: int) -> None:
    connection.execute(_COUNTED, {"rows": rows, "schema": table.schema, "table": table.name, "part": part})


def _is_there(connection: Connection, table: Table) -> bool:
    return bool(connection.scalar(select(func.to_regclass(table.fullname).is_not(None))))


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(str(table.schema), table.name)


_REJECT = sql.SQL(
    """
    WITH chosen AS (
      SELECT key::bigint AS position, value AS reasons FROM jsonb_each({marks}::jsonb)
    ), gone AS (
      DELETE FROM {rows} AS held USING chosen WHERE held.{position} = chosen.position
      RETURNING chosen.position, chosen.reasons, {raw} AS raw
    ), kept AS (
      INSERT INTO {rejected} (part, position, source, raw, reasons)
      SELECT state.part, gone.position % (1::bigint << {shift}), state.description, gone.raw, gone.reasons
      FROM gone JOIN {staged} AS state ON state.schema_name = {schema} AND state.table_name = {table}
        AND state.part = gone.position >> {shift}
      RETURNING part
    )
    SELECT part, count(*) FROM kept GROUP BY part
    """
)
_BACK = sql.SQL(
    """
    WITH back AS (
      DELETE FROM {rejected} WHERE part = {part} AND reasons @> {mine}::jsonb RETURNING part, position, raw
    )
    INSERT INTO {rows} ({names}) SELECT (part << {shift}) + position, {values} FROM back
    """
)
