"""From a raw field of any format to its type: the format's own word counts, texts are read where it has none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import duckdb

from groundwork.infer.files_parquet import is_nested
from groundwork.infer.files_source import Field, Kind, RawTable, fetch, one_row, sql
from groundwork.infer.quality_words import says_money
from groundwork.infer.types_numbers import double_type, json_number_type
from groundwork.infer.types_reading import OF_STRINGS, OF_TEXT
from groundwork.infer.types_text import Decision, decide_text

_TYPED = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric(39,0)",
    "UHUGEINT": "numeric(39,0)",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "UUID": "uuid",
    "BLOB": "bytea",
    "INTERVAL": "interval",
}
_SCALARS_OF_ARRAYS = {
    "VARCHAR": "text[]",
    "UBIGINT": "bigint[]",
    "BIGINT": "bigint[]",
    "DOUBLE": "numeric[]",
    "BOOLEAN": "boolean[]",
}
_WHOLE = frozenset({"BIGINT", "UBIGINT"})
_NUMBERS = _WHOLE | {"DOUBLE"}
_IN_WORDS = {"VARCHAR": "texts", "BIGINT": "numbers", "UBIGINT": "numbers", "DOUBLE": "numbers",
             "BOOLEAN": "truth values", "OBJECT": "objects", "ARRAY": "arrays"}  # fmt: skip


def decide_field(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> Decision:
    """The type of one field over all rows of `raw`."""
    if field.kind is Kind.TEXT:
        return decide_text(connection, raw.name, field.raw, field.name, OF_TEXT)
    if field.kind is Kind.JSON:
        return _decide_json(connection, raw, field)
    return _decide_typed(connection, raw, field)


def _decide_typed(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> Decision:
    if field.declared == "VARCHAR":
        return decide_text(connection, raw.name, field.raw, field.name, OF_STRINGS)
    if field.declared in ("FLOAT", "DOUBLE"):
        found = double_type(connection, raw.name, field.raw, is_money=says_money(field.name))
        return Decision(type=found.type, value=found.value, notes=found.notes)
    if field.declared.startswith("DECIMAL("):
        return Decision(type=field.declared.lower().replace("decimal", "numeric"), value=field.raw)
    if is_nested(field.declared) or field.declared == "JSON":
        return _nested(connection, raw, field)
    notes = ("fractions beyond microseconds are cut off",) if field.declared == "TIMESTAMP_NS" else ()
    if field.declared in _TYPED:
        value = f"CAST({field.raw} AS TIMESTAMP)" if field.declared.startswith("TIMESTAMP_") else field.raw
        return Decision(type=_TYPED[field.declared], value=value, notes=notes)
    note = f"the file's type {field.declared} has no counterpart here"
    return Decision(type="text", value=f"CAST({field.raw} AS VARCHAR)", notes=(note,))


def _decide_json(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> Decision:
    """By the kinds of its JSON values; strings may be dates and the like, but `"5"` is a text on purpose."""
    kinds = _kinds(connection, raw, field)
    if not kinds:
        return Decision(type="text", value=field.raw, notes=("no value in any row; text until there is one",))
    if kinds.keys() <= {"VARCHAR"}:
        return decide_text(connection, raw.name, field.raw, field.name, OF_STRINGS)
    if kinds.keys() <= _NUMBERS:
        found = json_number_type(connection, raw.name, field.raw, is_money=says_money(field.name))
        return Decision(type=found.type, value=found.value, notes=found.notes)
    if kinds.keys() <= {"BOOLEAN"}:
        return Decision(type="boolean", value=f"{field.raw} = 'true'")
    mixed = (f"mixed: {', '.join(f'{count:,} {word}' for word, count in _in_words(kinds).items())}",)
    if kinds.keys() & {"OBJECT", "ARRAY"}:
        return _nested(connection, raw, field) if len(kinds) == 1 else _mixed_json(field, mixed)
    return Decision(type="text", value=field.raw, notes=mixed)


def _mixed_json(field: Field, notes: tuple[str, ...]) -> Decision:
    """Objects or arrays beside plain values: only jsonb holds them all, and each stays what it was."""
    return Decision(type="jsonb", value=field.raw, notes=notes)


def _kinds(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> dict[str, int]:
    statement = sql(
        "SELECT {kind}, count(*) FROM {table} WHERE {kind} <> 'NULL' GROUP BY {kind} ORDER BY {kind}",
        kind=f"t{field.place}",
        table=raw.name,
    )
    return {str(kind): int(count) for kind, count in fetch(connection, statement)}


def _in_words(kinds: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, count in kinds.items():
        word = _IN_WORDS.get(kind, kind.lower())
        found[word] = found.get(word, 0) + count
    return found


def _nested(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> Decision:
    structure = structure_of(connection, raw.name, field.raw)
    decision = Decision(type="jsonb", value=field.raw, nested=structure)
    if isinstance(structure, list) and len(structure) == 1 and str(structure[0]) in _SCALARS_OF_ARRAYS:
        found = _SCALARS_OF_ARRAYS[structure[0]]
        is_too_large = found == "bigint[]" and _goes_beyond_bigint(connection, raw, field)
        return replace(decision, type="numeric[]" if is_too_large else found)
    return decision


def _goes_beyond_bigint(connection: duckdb.DuckDBPyConnection, raw: RawTable, field: Field) -> bool:
    statement = sql(
        "SELECT count_if(list_max(CAST(CAST({column} AS JSON) AS DOUBLE[])) >= {limit}) FROM {table}",
        column=field.raw,
        limit=2**63,
        table=raw.name,
    )
    return bool(one_row(connection, statement)[0])


def structure_of(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> Any:
    """What all JSON texts of a column are made of together; null where there is none."""
    statement = sql("SELECT json_group_structure(CAST({column} AS JSON)) FROM {table}", column=column, table=table)
    found = one_row(connection, statement)[0]
    return json.loads(found) if found else None
