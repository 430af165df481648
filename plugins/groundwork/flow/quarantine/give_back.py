"""Withdrawn rows back in their tables, exactly as they were: the way back of `groundwork.flow.quarantine.withdraw`.

All of them or none: when a row was replayed or given up meanwhile, when its table has other columns now, when its key
is taken, or when the server would store another value, nothing comes back and the reason is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, func, select, update

from groundwork.catalog.session import run
from groundwork.flow.books import LoadResult, close_books, open_books
from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.quarantine.live_row import LiveColumn, as_record, live_columns
from groundwork.flow.quarantine.read import HELD
from groundwork.flow.quarantine.withdraw import KEY_MARK, books_of
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

_BACK = "/given back"  # what the run id of the way back ends in
_KEPT = sql.SQL("(SELECT raw, position, reasons FROM {quarantine} WHERE load_id = {load_id})")


def give_back(connection: Connection, run_id: str, keys: dict[tuple[str, str], tuple[str, ...]]) -> dict[str, int]:
    """Bring back what the withdrawal `run_id` took; `schema.table` → rows, empty when it took nothing or all is back.

    Works in the caller's transaction, which has locked the tables and set aside constraints that the rows break.
    `keys` are the declared primary keys by (schema, table): a row whose key is taken does not come back, unless another
    row of that key stayed when it left.
    Raises: ConfigError when it cannot be done exactly; the caller's transaction must then be undone.
    """
    if is_back(connection, run_id):
        return {}
    told = {}
    for load_id, schema, table in reversed(books_of(connection, run_id)):
        _require_held(connection, load_id, schema, table)
        columns = _columns(connection, load_id, schema, table)
        _require_free_keys(connection, load_id, (schema, table), keys.get((schema, table), ()), columns)
        told[f"{schema}.{table}"] = _insert(connection, load_id, (schema, table), columns, run_id)
    return told


def is_back(connection: Connection, run_id: str) -> bool:
    """Whether what the withdrawal `run_id` took came back already."""
    return bool(books_of(connection, run_id + _BACK))


def _require_held(connection: Connection, load_id: int, schema: str, table: str) -> None:
    column = QUARANTINE.c
    query = select(column.state, func.count()).where(column.load_id == load_id).group_by(column.state)
    found = {str(row[0]): int(row[1]) for row in connection.execute(query)}
    if set(found) - {HELD}:
        others = ", ".join(f"{count} {state}" for state, count in sorted(found.items()) if state != HELD)
        raise _conflict(schema, table, "rows of the withdrawal were settled meanwhile", "all of them held", others)


def _columns(connection: Connection, load_id: int, schema: str, table: str) -> list[LiveColumn]:
    columns = [each for each in live_columns(connection, schema, table) if not each.is_generated]
    keys = func.jsonb_object_keys(QUARANTINE.c.raw)
    kept: set[str] = set(connection.scalars(select(keys).distinct().where(QUARANTINE.c.load_id == load_id)))
    now = {column.name for column in columns}
    if kept != now:
        apart = ", ".join(sorted(kept ^ now))
        raise _conflict(schema, table, "the table has other columns than the rows had", "the same columns", apart)
    return columns


def _require_free_keys(
    connection: Connection, load_id: int, place: tuple[str, str], key: Sequence[str], columns: Sequence[LiveColumn]
) -> None:
    if not key:
        return
    types = {column.name: column.type for column in columns}
    same = sql.SQL(" AND ").join(
        sql.SQL("held.{} = {}").format(sql.Identifier(name), _value(name, types[name])) for name in key
    )
    query = sql.SQL(
        "SELECT count(*) FROM {kept} AS kept WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(kept.reasons) AS reason"
        " WHERE reason ? {mark}) AND EXISTS (SELECT FROM {target} AS held WHERE {same})"
    ).format(kept=_kept(load_id), mark=sql.Literal(KEY_MARK), target=sql.Identifier(*place), same=same)
    taken: Any = run(connection, query.as_string()).scalar_one()
    if taken:
        raise _conflict(*place, "the keys of withdrawn rows are taken by other rows now", "free keys", taken)


def _insert(
    connection: Connection, load_id: int, place: tuple[str, str], columns: Sequence[LiveColumn], run_id: str
) -> int:
    """Insert the kept rows and require that the server stored what was kept; books and marks of the way back."""
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    values = sql.SQL(", ").join(_value(column.name, column.type) for column in columns)
    statement = sql.SQL(
        "WITH back AS (INSERT INTO {target} AS held ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {kept} AS "
        "kept ORDER BY kept.position RETURNING {raw} AS raw) SELECT (SELECT count(*) FROM back), (SELECT count(*) FROM "
        "(SELECT raw FROM back EXCEPT ALL SELECT raw FROM {kept} AS kept) AS apart)"
    ).format(target=sql.Identifier(*place), names=names, values=values, kept=_kept(load_id), raw=as_record(columns))
    found: Any = run(connection, statement.as_string()).one()
    count, apart = int(found[0]), int(found[1])
    expected = connection.scalar(select(func.count()).where(QUARANTINE.c.load_id == load_id))
    if apart or count != expected:
        raise _conflict(
            *place, "the server would not store the rows as they were", f"{expected} rows", f"{count - apart}"
        )
    facts: dict[str, Any] = {
        "run_id": run_id + _BACK,
        "source": f"rows withdrawn by load {load_id}",
        "mode": str(WriteMode.MERGE),
    }
    back = open_books(connection, watermark={}, schema_name=place[0], table_name=place[1], is_trial=True, **facts)
    done: dict[str, Any] = {
        "read": count,
        "loaded": count,
        "updated": 0,
        "unchanged": 0,
        "quarantined": 0,
        "duplicates": 0,
    }
    close_books(connection, LoadResult(load_id=back, table=".".join(place), is_trial=True, **facts, **done))
    settled = update(QUARANTINE).where(QUARANTINE.c.load_id == load_id)
    connection.execute(settled.values(state="replayed", settled_by_load_id=back))
    return count


def _kept(load_id: int) -> sql.Composed:
    quarantine = sql.Identifier(str(QUARANTINE.schema), QUARANTINE.name)
    return _KEPT.format(quarantine=quarantine, load_id=sql.Literal(load_id))


def _value(name: str, type_name: str) -> sql.Composed:
    """A kept value as the column's type; the name of the type is the server's own."""
    cast = sql.SQL(type_name)  # made by format_type, which quotes
    return sql.SQL("CAST(kept.raw ->> {} AS {})").format(sql.Literal(name), cast)


def _conflict(schema: str, table: str, what: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        f"{what}; nothing came back",
        where=f"{schema}.{table}",
        expected=expected,
        found=found,
        next_step=f"groundwork quarantine replay {schema}.{table}, row by row",
    )
