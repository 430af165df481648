"""The PostgreSQL adapter of the catalog: what the server has, in the values of `groundwork.model.shape`.

Reads tables, columns, constraints, indexes, partitions, comments, sequences and enum types by one query each, whatever
the number of tables, and lists by one more what no contract can declare. Not read: privileges (`groundwork.governance`
compares them), and differences that only a single partition has in its columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog import queries
from groundwork.catalog.rows import check, column, enum_type, foreign_key, index, key, sequence
from groundwork.catalog.session import run, undone
from groundwork.catalog.unsupported import UNSUPPORTED
from groundwork.model.errors import RetriableError
from groundwork.model.shape import PartitionShape, SchemaShape, TableShape, UnsupportedShape

_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_TIMEOUT = "10s"  # the server locks a table to print its expressions; somebody may hold it exclusively
_SETTINGS = (  # whatever enters the server's texts of types, expressions and bounds
    "SET LOCAL search_path = ''",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL quote_all_identifiers = off",
)
_Rows = list[dict[str, Any]]
_ByTable = Mapping[int, _Rows]


def observe(connection: Connection, schemas: Sequence[str]) -> tuple[TableShape, ...]:
    """The tables of `schemas` in order of schema and name; otherwise as `observe_schemas`."""
    return _observed(connection, schemas, {}).tables


def observe_schemas(connection: Connection, schemas: Sequence[str], *, with_unsupported: bool = True) -> SchemaShape:
    """Everything in `schemas`: tables, enum types, sequences, and what no contract can declare, if it is wanted.

    Texts of types and expressions are the server's own, made with an empty search path, so they do not depend on who
    asks. The connection's transaction and settings are left as they were.

    Raises: RetriableError when the connection is lost or a table stays locked exclusively.
    """
    return _observed(connection, schemas, {"unsupported": UNSUPPORTED} if with_unsupported else {})


def _observed(connection: Connection, schemas: Sequence[str], more: Mapping[str, str]) -> SchemaShape:
    version = int((connection.dialect.server_version_info or (0,))[0])
    try:
        found = _read(connection, schemas, {**queries.questions(version), **more})
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
    return _assembled(found)


def _read(connection: Connection, schemas: Sequence[str], asked: Mapping[str, str]) -> dict[str, _Rows]:
    with undone(connection):
        for setting in _SETTINGS:
            run(connection, setting)
        run(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        found = {"tables": _query(connection, queries.TABLES, schemas=list(schemas))}
        oids = [row["oid"] for row in found["tables"]]
        for name, query in asked.items():
            parameters = {"tables": oids} if ":tables" in query else {"schemas": list(schemas)}
            found[name] = _query(connection, query, **parameters)
    return found


def _assembled(found: Mapping[str, _Rows]) -> SchemaShape:
    parts = {name: _by_table(found[name]) for name in ("columns", "constraints", "indexes", "partitions")}
    _name_columns(found["constraints"], found["columns"])
    defaults = {(row["table_oid"], row["name"]): row["default"] for row in found["columns"]}
    owned: dict[tuple[int, str], Mapping[str, Any]] = {}
    free = []
    for row in found["sequences"]:
        place = (row["table_oid"], row["column"])
        if row["dependency"] == "i" or (place in defaults and defaults[place] == row["as_default"]):
            owned[place] = row
        else:
            free.append(sequence(row))
    return SchemaShape(
        tables=tuple(_table(row, parts, owned) for row in found["tables"]),
        enum_types=tuple(enum_type(row) for row in found["enum_types"]),
        sequences=tuple(free),
        unsupported=tuple(UnsupportedShape(**row) for row in found.get("unsupported", ())),
    )


def _query(connection: Connection, query: str, **parameters: Any) -> _Rows:
    result = connection.execute(text(query), parameters)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]  # half the time of `mappings()`


def _name_columns(constraints: _Rows, columns: _Rows) -> None:
    """Give each constraint the names of its columns; the catalogs have their numbers."""
    names = {(row["table_oid"], row["number"]): row["name"] for row in columns}
    quoted = {(row["table_oid"], row["number"]): row["quoted"] for row in columns}
    for row in constraints:
        own, target = row["table_oid"], row["target_oid"]
        row["columns"] = [names[own, number] for number in row["numbers"] or ()]
        row["include"] = [names[own, number] for number in row["include_numbers"] or ()]
        row["on_delete_columns"] = [quoted[own, number] for number in row["on_delete_numbers"] or ()]
        if row["target_columns"] is None:
            row["target_columns"] = [names[target, number] for number in row["target_numbers"] or ()]


def _by_table(rows: _Rows) -> _ByTable:
    found: dict[int, _Rows] = defaultdict(list)
    for row in rows:
        found[row["table_oid"]].append(row)
    return found


def _table(
    row: Mapping[str, Any], parts: Mapping[str, _ByTable], owned: Mapping[tuple[int, str], Mapping[str, Any]]
) -> TableShape:
    oid = row["oid"]
    of_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for constraint in parts["constraints"].get(oid, ()):
        of_kind[constraint["kind"]].append(constraint)
    partitions = [PartitionShape(name=part["name"], bounds=part["bounds"]) for part in parts["partitions"].get(oid, ())]
    return TableShape(
        schema=row["schema"],
        name=row["name"],
        columns=tuple(column(each, owned.get((oid, each["name"]))) for each in parts["columns"].get(oid, ())),
        primary_key=next((key(each) for each in of_kind["p"]), None),
        unique_keys=tuple(key(each) for each in of_kind["u"]),
        foreign_keys=tuple(foreign_key(each) for each in of_kind["f"]),
        checks=tuple(check(each) for each in (*of_kind["c"], *of_kind["x"])),
        indexes=tuple(index(each) for each in parts["indexes"].get(oid, ())),
        partition_key=row["partition_key"],
        partitions=tuple(partitions),
        comment=row["comment"],
    )
