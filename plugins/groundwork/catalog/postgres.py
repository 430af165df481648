"""The PostgreSQL adapter of the catalog: tables as the server has them, in the values of `groundwork.model.shape`.

Reads tables, columns, constraints, indexes, partitions and comments by one query each, whatever the number of tables.
Not read: views, triggers, row security, privileges, storage settings, and what only a single partition has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog import queries
from groundwork.catalog.session import run, undone
from groundwork.model.errors import RetriableError
from groundwork.model.shape import (
    CheckShape,
    ColumnShape,
    ForeignKeyShape,
    IndexShape,
    KeyShape,
    PartitionShape,
    TableShape,
)

_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_TIMEOUT = "10s"  # the server locks a table to print its expressions; somebody may hold it exclusively
_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_Rows = Mapping[int, list[Mapping[str, Any]]]


def observe(connection: Connection, schemas: Sequence[str]) -> tuple[TableShape, ...]:
    """The tables of `schemas` in order of schema and name.

    Texts of types and expressions are the server's own, made with an empty search path, so they do not depend on who
    asks. The connection's transaction and settings are left as they were.

    Raises: RetriableError when the connection is lost or a table stays locked exclusively.
    """
    try:
        tables, parts = _read(connection, schemas)
    except DBAPIError as error:
        if error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RetriableError(
                "the catalogs could not be read",
                where=f"schemas {', '.join(schemas)}",
                expected=f"a connection, and no table locked exclusively for {_LOCK_TIMEOUT}",
                found=error.orig,
                next_step="look in pg_locks for who holds a table, or try again",
            ) from error
        raise
    return tuple(_table(row, *parts) for row in tables)


def _read(connection: Connection, schemas: Sequence[str]) -> tuple[list[Mapping[str, Any]], list[_Rows]]:
    with undone(connection):
        run(connection, "SET LOCAL search_path = ''")
        run(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        tables = _query(connection, queries.TABLES, schemas=list(schemas))
        oids = [row["oid"] for row in tables]
        asked = (queries.COLUMNS, queries.CONSTRAINTS, queries.INDEXES, queries.PARTITIONS)
        return tables, [_by_table(_query(connection, query, tables=oids)) for query in asked]


def _query(connection: Connection, query: str, **parameters: Any) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def _by_table(rows: list[Mapping[str, Any]]) -> _Rows:
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["table_oid"]].append(row)
    return found


def _table(row: Mapping[str, Any], columns: _Rows, constraints: _Rows, indexes: _Rows, partitions: _Rows) -> TableShape:
    oid = row["oid"]
    of_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for constraint in constraints.get(oid, ()):
        of_kind[constraint["kind"]].append(constraint)
    return TableShape(
        schema=row["schema"],
        name=row["name"],
        columns=tuple(_column(column) for column in columns.get(oid, ())),
        primary_key=next((_key(key) for key in of_kind["p"]), None),
        unique_keys=tuple(_key(key) for key in of_kind["u"]),
        foreign_keys=tuple(_foreign_key(key) for key in of_kind["f"]),
        checks=tuple(_check(check) for check in (*of_kind["c"], *of_kind["x"])),
        indexes=tuple(_index(index) for index in indexes.get(oid, ())),
        partition_key=row["partition_key"],
        partitions=tuple(PartitionShape(name=part["name"], bounds=part["bounds"]) for part in partitions.get(oid, ())),
        comment=row["comment"],
    )


def _column(row: Mapping[str, Any]) -> ColumnShape:
    return ColumnShape(
        name=row["name"],
        type=row["type"],
        nullable=row["nullable"],
        default=row["default"],
        identity=row["identity"],
        generated=row["generated"],
        comment=row["comment"],
    )


def _key(row: Mapping[str, Any]) -> KeyShape:
    options = _deferral(row) + (("NULLS NOT DISTINCT",) if row["is_nulls_not_distinct"] else ())
    return KeyShape(name=row["name"], columns=tuple(row["columns"]), options=options)


def _foreign_key(row: Mapping[str, Any]) -> ForeignKeyShape:
    options = _deferral(row) + _enforcement(row) + (("MATCH FULL",) if row["match"] == "f" else ())
    return ForeignKeyShape(
        name=row["name"],
        columns=tuple(row["columns"]),
        target_schema=row["target_schema"],
        target_table=row["target_table"],
        target_columns=tuple(row["target_columns"]),
        on_update=_ACTIONS[row["on_update"]],
        on_delete=_ACTIONS[row["on_delete"]],
        is_validated=row["is_validated"],
        options=options,
    )


def _check(row: Mapping[str, Any]) -> CheckShape:
    is_check = row["kind"] == "c"
    options = _deferral(row) + _enforcement(row) + (("NO INHERIT",) if is_check and row["is_not_inherited"] else ())
    return CheckShape(name=row["name"], condition=row["condition"], is_validated=row["is_validated"], options=options)


def _index(row: Mapping[str, Any]) -> IndexShape:
    return IndexShape(
        name=row["name"],
        keys=tuple(row["keys"]),
        is_unique=row["is_unique"],
        method=row["method"],
        predicate=row["predicate"],
        include=tuple(row["include"]),
        is_valid=row["is_valid"],
        options=("NULLS NOT DISTINCT",) if row["is_nulls_not_distinct"] else (),
    )


def _deferral(row: Mapping[str, Any]) -> tuple[str, ...]:
    if not row["is_deferrable"]:
        return ()
    return ("DEFERRABLE", "INITIALLY DEFERRED") if row["is_deferred"] else ("DEFERRABLE",)


def _enforcement(row: Mapping[str, Any]) -> tuple[str, ...]:
    return () if row["is_enforced"] else ("NOT ENFORCED",)
