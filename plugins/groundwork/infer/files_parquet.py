"""Parquet files into DuckDB: types as the file declares them, nested values as JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from groundwork.infer.files_source import Field, Kind, RawTable, fetch, one_row, sql
from groundwork.model.errors import ConfigError


def load_parquet(
    connection: duckdb.DuckDBPyConnection, table: str, paths: Sequence[Path], limit_rows: int | None
) -> RawTable:
    """The rows of all `paths`, which must have the same columns, in the DuckDB table `table`.

    Raises: ConfigError when a file is no Parquet or its columns differ from the first one's.
    """
    schemas = [_schema(connection, path) for path in paths]
    for path, schema in zip(paths, schemas, strict=True):
        if schema != schemas[0]:
            raise ConfigError(
                "the files that should make one table have different columns",
                where=str(path),
                expected=", ".join(f"{name} {kind}" for name, kind in schemas[0]),
                found=", ".join(f"{name} {kind}" for name, kind in schema),
                next_step="name files of one form together, the others by themselves",
            )
    fields = [_field(name, place, kind) for place, (name, kind) in enumerate(schemas[0])]
    renamed = ", ".join(f"i{field.place}" for field in fields)
    kept = ", ".join(_kept(field) for field in fields)
    statement = sql(
        "CREATE TABLE {table} AS SELECT {kept} FROM (SELECT * FROM read_parquet(?) LIMIT {limit}) AS source({renamed})",
        table=table,
        kept=kept,
        limit="ALL" if limit_rows is None else int(limit_rows),
        renamed=renamed,
    )
    fetch(connection, statement, [[str(path) for path in paths]])
    rows = int(one_row(connection, sql("SELECT count(*) FROM {table}", table=table))[0])
    return RawTable(
        name=table,
        rows=rows,
        fields=tuple(fields),
        format="parquet",
        is_complete=limit_rows is None or rows < limit_rows,
    )


def _schema(connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[str, str]]:
    try:
        found = fetch(connection, "DESCRIBE SELECT * FROM read_parquet(?)", [[str(path)]])
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise ConfigError(
            "the file cannot be read as Parquet",
            where=str(path),
            expected="a whole Parquet file",
            found=str(error).partition("\n")[0],
            next_step="check that the file is whole, or name its real format by its suffix",
        ) from error
    return [(str(row[0]), str(row[1])) for row in found]


def is_nested(declared: str) -> bool:
    """Whether a DuckDB type holds values inside values."""
    return declared.endswith("]") or declared.startswith(("STRUCT(", "MAP(", "UNION("))


def _field(name: str, place: int, declared: str) -> Field:
    is_text = declared == "VARCHAR" or declared.startswith("ENUM(")
    return Field(name=name, place=place, kind=Kind.TYPED, declared="VARCHAR" if is_text else declared)


def _kept(field: Field) -> str:
    if is_nested(field.declared):
        return f"CAST(to_json(i{field.place}) AS VARCHAR) AS {field.raw}"
    if field.declared == "VARCHAR":
        return f"CAST(i{field.place} AS VARCHAR) AS {field.raw}"
    return f"i{field.place} AS {field.raw}"
