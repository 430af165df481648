"""From a table's declared `source` to the thing that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.flow.computed import ComputedSource, find_computation
from groundwork.flow.delimited import DelimitedSource
from groundwork.flow.json_lines import JsonLinesSource
from groundwork.flow.origin import Origin
from groundwork.flow.record import Source
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

BATCH_ROWS = 50_000  # measured: smaller blocks cost round trips, larger ones only memory


def declared_source(table: TableContract) -> Mapping[str, Any]:
    """The table's `source` declaration.

    Raises: ConfigError when the contract says nothing of where its rows come from.
    """
    if table.source is None:
        raise ConfigError(
            "the contract does not say where the rows of this table come from",
            where=table.qualified_name,
            expected="a custom property `source`",
            next_step="declare a source, or do not load this table",
        )
    return table.source


def write_mode(table: TableContract) -> WriteMode:
    """How the table's source is written; raises ConfigError for a mode nobody knows."""
    found = str(declared_source(table).get("mode", WriteMode.MERGE))
    if found not in list(WriteMode):
        raise ConfigError(
            "the source's mode is not known",
            where=table.qualified_name,
            expected=", ".join(WriteMode),
            found=found,
            next_step="correct `source.mode` in the contract",
        )
    return WriteMode(found)


def open_source(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    schema: str | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Source:
    """The reader of the table's declared source; a computed one reads its inputs from `schema` of the warehouse.

    Raises: ConfigError when the declaration is not one that can be read.
    """
    declared = declared_source(table)
    kind = declared.get("kind")
    if kind == "computed":
        return open_computed(engine, domain, table, schema=schema, batch_rows=batch_rows)
    if kind == "file":
        return file_source(table, file_origin(table, project), batch_rows=batch_rows)
    raise ConfigError(
        "the kind of source is not known",
        where=table.qualified_name,
        expected="file or computed",
        found=kind,
        next_step="correct `source.kind` in the contract",
    )


def open_computed(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    schema: str | None = None,
    batch_rows: int = BATCH_ROWS,
) -> ComputedSource:
    """The reader of a computed source; raises as `open_source` does."""
    name = str(declared_source(table).get("callable", ""))
    return ComputedSource(
        name=name,
        computation=find_computation(name),
        engine=engine,
        domain=domain,
        schema=schema or table.schema,
        types={column.name: column.type for column in fillable(table)},
        batch_rows=batch_rows,
    )


def file_origin(table: TableContract, project: Path) -> Origin:
    """Where the bytes of a declared file lie; raises ConfigError when the declaration names no path."""
    declared = declared_source(table)
    path = declared.get("path")
    if not path:
        raise ConfigError(
            "a file source needs a path",
            where=table.qualified_name,
            expected="source.path",
            found=path,
            next_step="declare the path in the contract",
        )
    return Origin(
        project=project, path=str(path), package=declared.get("package"), compression=declared.get("compression")
    )


def file_source(table: TableContract, origin: Origin, *, batch_rows: int = BATCH_ROWS) -> Source:
    """The reader of a file that has the form the table's source declares; the file itself may be another."""
    declared = declared_source(table)
    mapping: Mapping[str, str] | None = declared.get("columns")
    for column in mapping or ():
        table.column(column)
    known = tuple(column.name for column in fillable(table))
    if declared.get("format") == "csv":
        return DelimitedSource(origin=origin, mapping=mapping, known_columns=known, batch_rows=batch_rows)
    if declared.get("format") == "jsonl":
        return JsonLinesSource(
            origin=origin,
            mapping=mapping or {name: name for name in known},
            types={column.name: column.type for column in table.columns},
            refuses_unknown=mapping is None,
            batch_rows=batch_rows,
        )
    raise ConfigError(
        "the format of the source is not known",
        where=table.qualified_name,
        expected="csv or jsonl",
        found=declared.get("format"),
        next_step="correct `source.format` in the contract",
    )


def fillable(table: TableContract) -> tuple[ColumnContract, ...]:
    """The columns that a source may fill: all but generated ones and identities the server always makes."""
    return tuple(
        column for column in table.columns if column.generated is None and (column.identity or "").lower() != "always"
    )
