"""Many rows by COPY: validated batch by batch, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Json
from sqlalchemy import Connection
from sqlalchemy import types as sqltypes

from groundwork.access.relation import Relation
from groundwork.access.validation import RowRules


def copy_rows(
    connection: Connection,
    relation: Relation,
    rules: RowRules,
    rows: Iterable[Mapping[str, object]],
    batch_rows: int,
) -> int:
    """Validate and copy `rows` into the base table; returns their number.

    Raises: InvalidRowsError at the first batch with an error, with every error of that batch; else what psycopg raises.
    """
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    count = 0
    remaining = iter(rows)
    while batch := list(islice(remaining, batch_rows)):
        checked = rules.for_insert(batch, first=count)
        for columns, group in _by_columns(checked).items():
            _copy(driver, relation, columns, group)
        count += len(checked)
    return count


def _copy(
    driver: psycopg.Connection[Any], relation: Relation, columns: Sequence[str], rows: Sequence[Mapping[str, object]]
) -> None:
    table = sql.Identifier(relation.contract.schema, relation.contract.name)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    is_json = [isinstance(relation.types[name], sqltypes.JSON) for name in columns]
    with driver.cursor() as cursor, cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
        for row in rows:
            copy.write_row([_adapted(row[name], is_json=json) for name, json in zip(columns, is_json, strict=True)])


def _adapted(value: object, *, is_json: bool) -> object:
    return Json(value) if is_json and value is not None else value


def _by_columns(rows: Sequence[Mapping[str, object]]) -> dict[tuple[str, ...], list[Mapping[str, object]]]:
    groups: dict[tuple[str, ...], list[Mapping[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return groups
