"""From a table's declared `source` to the thing that reads it: the one entrance to all kinds of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts import source_keys
from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.sources.computed import ComputedSource, find_computation
from groundwork.flow.sources.delimited import DelimitedSource
from groundwork.flow.sources.dialect import declared_dialect
from groundwork.flow.sources.files import FilesSource, empty_glob, is_glob, listed, partition_values
from groundwork.flow.sources.filling import Filling, SchemaPolicy
from groundwork.flow.sources.json_lines import JsonLinesSource
from groundwork.flow.sources.origin import Origin
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

BATCH_ROWS = 25_000  # measured: smaller blocks cost round trips, larger ones memory


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


def open_source(  # noqa: PLR0913  what is read and what it may use; all but three have a default
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    schema: str | None = None,
    batch_rows: int = BATCH_ROWS,
    resources: Resources | None = None,
    since: str | None = None,
    window: Window | None = None,
) -> Source:
    """The reader of the table's declared source; a computed one reads its inputs from `schema` of the warehouse.

    `since` is the watermark less its overlap, and `window` the range that is loaded: sources that can be asked for less
    than all are asked for that. What they hand out beyond it is no error. `since` does not count for a load that takes
    away what the source has no more.

    Raises: ConfigError when the declaration is not one that can be read.
    """
    declared = require_declaration(table)
    reach = resources or Resources(project=project)
    kind = declared.get("kind")
    if kind == "computed":
        return open_computed(engine, domain, table, schema=schema, batch_rows=batch_rows)
    if kind == "file":
        return _open_files(table, file_origin(table, project, reach), batch_rows)
    from groundwork.flow.sources.remote import open_http, open_table

    is_incremental = not _removes_missing(table)
    since = since if is_incremental else None
    if kind == "http":
        return open_http(table, fillable(table), reach, batch_rows=batch_rows, since=since, window=window)
    return open_table(
        table,
        fillable(table),
        reach,
        batch_rows=batch_rows,
        since=since,
        window=window,
        is_incremental=is_incremental,
    )


def require_declaration(table: TableContract) -> Mapping[str, Any]:
    """The table's declaration, checked as a whole.

    Raises: ConfigError for a kind or a key that nobody knows, a word out of place, or one that is missing.
    """
    declared = declared_source(table)
    if declared.get("kind") not in source_keys.KIND_KEYS:
        raise _wrong(table, "the kind of source is not known", ", ".join(source_keys.KIND_KEYS), declared.get("kind"))
    for key, nearest in source_keys.unknown_keys(declared):
        expected = f"`{nearest}`" if nearest else f"keys that a source of kind {declared['kind']} has"
        raise _wrong(table, "the source has a key that nobody knows", expected, key)
    for key in source_keys.missing_keys(declared):
        words = key.replace("|", " or a ")
        raise _wrong(table, f"a {declared['kind']} source needs a {words}", f"source.{words}", declared.get(key))
    for key, choices in source_keys.wrong_words(declared):
        raise _wrong(table, f"the {key} of the source is not known", ", ".join(choices), declared.get(key))
    for key in source_keys.misplaced_keys(declared):
        raise _wrong(table, "a key of the source means nothing here", "a source that needs it", key)
    return declared


def schema_policy(table: TableContract) -> SchemaPolicy:
    """What a load of the table does when the fields of its source have changed."""
    return SchemaPolicy(declared_source(table).get("on_schema_change", SchemaPolicy.FREEZE))


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


def file_origin(table: TableContract, project: Path, resources: Resources | None = None) -> Origin:
    """Where the bytes of a declared file lie; raises ConfigError when the declaration names no path."""
    declared = declared_source(table)
    path = declared.get("path")
    if not path:
        raise _wrong(table, "a file source needs a path", "source.path", path)
    reach = resources or Resources(project=project)
    return Origin(
        project=project,
        path=str(path),
        package=declared.get("package"),
        compression=declared.get("compression"),
        connection=declared.get("connection"),
        storage=reach.storage,
    )


def file_source(table: TableContract, origin: Origin, *, batch_rows: int = BATCH_ROWS) -> Source:
    """The reader of a file that has the form the table's source declares; the file itself may be another."""
    declared = declared_source(table)
    mapping: Mapping[str, str] | None = declared.get("columns")
    for column in mapping or ():
        table.column(column)
    known = tuple(column.name for column in fillable(table))
    types = {column.name: column.type for column in table.columns}
    constants = partition_values(origin.path)
    form = declared.get("format")
    if form == "csv":
        return DelimitedSource(
            origin=origin,
            mapping=mapping,
            known_columns=known,
            batch_rows=batch_rows,
            dialect=declared_dialect(declared, table.qualified_name),
            policy=schema_policy(table),
            constants=_wanted(constants, mapping, known),
        )
    if form in ("jsonl", "json"):
        return JsonLinesSource(
            origin=origin,
            mapping=mapping or {name: name for name in known},
            types=types,
            refuses_unknown=mapping is None or schema_policy(table) is SchemaPolicy.EVOLVE,
            batch_rows=batch_rows,
            is_array=form == "json",
            ignored=source_keys.ignored_fields(declared),
            constants=_wanted(constants, mapping, known),
        )
    if form == "parquet":
        from groundwork.flow.sources.parquet import ParquetSource

        return ParquetSource(
            origin=origin,
            filling=Filling(mapping=mapping, known=known, policy=schema_policy(table)),
            types=types,
            batch_rows=batch_rows,
            constants=_wanted(constants, mapping, known),
        )
    raise _wrong(table, "the format of the source is not known", ", ".join(source_keys.FORMATS), form)


def _open_files(table: TableContract, origin: Origin, batch_rows: int) -> Source:
    if not is_glob(origin.path):
        return file_source(table, origin, batch_rows=batch_rows)
    found = listed(origin)
    if not found and declared_source(table).get("empty", "fail") == "fail":
        raise empty_glob(origin.description)
    return FilesSource(
        pattern=origin.description,
        members=tuple(file_source(table, each, batch_rows=batch_rows) for each in found),
        known_columns=tuple(column.name for column in fillable(table)),
    )


def _removes_missing(table: TableContract) -> bool:
    """Whether a load takes away what the source has no more, so that the source has to be read as a whole."""
    history = declared_source(table).get("history") or {}
    closes = isinstance(history, Mapping) and history.get("on_missing") == "close"
    return closes or write_mode(table) in (WriteMode.REPLACE, WriteMode.SNAPSHOT)


def _wanted(
    constants: Mapping[str, str | None], mapping: Mapping[str, str] | None, known: Sequence[str]
) -> dict[str, str | None]:
    """Folders such as `year=2020` whose name a column asks for."""
    names = set(mapping.values()) if mapping is not None else set(known)
    return {name: value for name, value in constants.items() if name in names}


def fillable(table: TableContract) -> tuple[ColumnContract, ...]:
    """The columns that a source may fill: all but generated ones and identities the server always makes."""
    return tuple(
        column for column in table.columns if column.generated is None and (column.identity or "").lower() != "always"
    )


def _wrong(table: TableContract, what: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        what,
        where=f"{table.qualified_name}, source",
        expected=expected,
        found=found,
        next_step="correct `source` in the contract",
    )
