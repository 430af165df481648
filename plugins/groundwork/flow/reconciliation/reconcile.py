"""A table against its source, row by row, without believing the loader.

The source is read again (see `groundwork.flow.reconciliation.reread`), each row becomes one hash of its key and one of
its values, and the server makes the same hashes from the table. What is in quarantine, by the books of its last load,
is left out, and so is what that load was not asked for, when only it is meant. Rows of the table that the source does
not have (from other sources, or older files) are counted and are no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Numeric,
    Table,
    Text,
    case,
    cast,
    delete,
    false,
    func,
    or_,
    select,
    text,
)

from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.derive.types import sql_type, type_name
from groundwork.flow.driver import driver_connection
from groundwork.flow.faults import database_faults
from groundwork.flow.json_text import column_text
from groundwork.flow.reconciliation.canonical import (
    family,
    is_rounded,
    server_hash,
    server_text,
    source_hash,
    source_text,
)
from groundwork.flow.reconciliation.last_load import LastLoad, last_load
from groundwork.flow.reconciliation.reread import Reread
from groundwork.flow.resources import Resources
from groundwork.flow.source import declared_source, fillable
from groundwork.flow.statement import changed_rows
from groundwork.flow.watermark import Watermark
from groundwork.flow.window import Window, require_column

_SESSION = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'"  # as of a load: texts mean the same
_SOURCE = Table(
    "groundwork_source_hash",
    MetaData(),
    Column("key_hash", BigInteger, nullable=False),
    Column("row_hash", BigInteger, nullable=False),
    Column("mark", Text),  # value of the watermark's column, as the source has it
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """One table and its source, in rows.

    `source_records` are all records of the source that are compared, `source_rows` those that should be in the table
    (not in quarantine, each key once). `missing` are source rows without a table row of their key, `differing` those
    whose values differ, `extra` table rows that the source does not have. The checksums are sums over the hashes of the
    source's rows, made on each side. `rounded_values` had more decimals than their column keeps. `columns_not_compared`
    have a type whose text two sides may spell differently, or a default that the source leaves to the database.
    `is_source_unchanged` tells whether the source is as the last load read it (null for computed rows, and for a load
    that did not read it at one go), `books_agree` whether that load's books balance and, for an unchanged source of the
    same range, name as many records as were read here.
    """

    table: str
    source: str
    kind: str
    source_records: int
    source_rows: int
    table_rows: int
    missing: int
    differing: int
    extra: int
    checksum_source: str
    checksum_table: str
    rounded_values: int
    columns_compared: tuple[str, ...]
    columns_not_compared: tuple[str, ...]
    load_id: int | None
    is_source_unchanged: bool | None
    books_agree: bool

    @property
    def agrees(self) -> bool:
        """Whether every row of the source is in the table as the source has it, and the books say so too."""
        same = self.missing == 0 and self.differing == 0 and self.checksum_source == self.checksum_table
        return same and self.books_agree and self.load_id is not None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; holds no value of any row."""
        return {**asdict(self), "agrees": self.agrees}


@dataclass(kw_only=True)
class _Reading:
    """One pass over a source."""

    rows: Iterator[Mapping[str, Any]]
    skipped: frozenset[int]
    records: int = 0
    rounded: int = 0

    def wanted(self) -> Iterator[Mapping[str, Any]]:
        for row in self.rows:
            self.records += 1
            if self.records not in self.skipped:
                yield row


def reconcile(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    resources: Resources | None = None,
    only_last_load: bool = False,
) -> Reconciliation:
    """Compare `table` with its declared source; reads only. `resources` is how a source outside is reached.

    With `only_last_load` compared is what the last load was asked for: its range and, of a source that can be asked for
    less than all, what came since the watermark of then. Else all that the source has.
    Raises: ConfigError when the source cannot be read; RetriableError when the connection is lost.
    """
    with database_faults(table.qualified_name), engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text(_SESSION))
        books = last_load(connection, table.schema, table.name)
        source = Reread(engine=engine, domain=domain, table=table, project=project, resources=resources)
        if only_last_load and books is not None:
            source.since, source.window = _since(connection, table, books), books.window
        found = _reconcile(connection, table, source, books, metadata(domain).tables[table.qualified_name])
        transaction.rollback()
        return found


def _reconcile(
    connection: Connection, table: TableContract, source: Reread, books: LastLoad | None, target: Table
) -> Reconciliation:
    skipped = books.rejected or frozenset() if books else frozenset()
    compared, left_out = _columns(table, _Reading(rows=source.rows(), skipped=skipped))
    reading = _Reading(rows=source.rows(), skipped=skipped)
    _copy_hashes(connection, table, compared, reading)
    records = reading.records - _leave_out(connection, table, source.window)
    digest = source.digest()
    is_unchanged = digest == books.checksum if books and digest and books.checksum else None
    is_same = books is not None and (books.source, books.window) == (source.description, source.window)
    return Reconciliation(
        table=table.qualified_name,
        source=source.description,
        kind=str(declared_source(table).get("kind")),
        source_records=records,
        **_differences(connection, table, target, compared),
        rounded_values=reading.rounded,
        columns_compared=tuple(column.name for column in compared),
        columns_not_compared=left_out,
        load_id=books.load_id if books else None,
        is_source_unchanged=is_unchanged,
        books_agree=books is not None and (not is_same or is_unchanged is False or books.read == records),
    )


def _since(connection: Connection, table: TableContract, books: LastLoad) -> str | None:
    """From where a load read on; null when it read from the beginning."""
    watermark = Watermark.declared(connection, table, table.schema)
    if watermark is None or not books.watermark_before:
        return None
    return watermark.since(books.watermark_before)


def _leave_out(connection: Connection, table: TableContract, window: Window | None) -> int:
    """Take rows outside of a range away; returns how many they were. A null, or what is no value, lies outside of none.

    Raises: ConfigError when the source has no watermark that the range could be about.
    """
    if window is None:
        return 0
    name = (declared_source(table).get("watermark") or {}).get("column")
    require_column(name, window, table.qualified_name)
    column = table.column(str(name))
    kind, mark = sql_type(column), _SOURCE.c.mark
    value = case((func.pg_input_is_valid(mark, type_name(column)), cast(mark, kind)))
    bounds = [value < cast(window.start, kind)] if window.start is not None else []
    bounds += [value >= cast(window.end, kind)] if window.end is not None else []
    return changed_rows(connection, delete(_SOURCE).where(or_(false(), *bounds)))


def _columns(table: TableContract, reading: _Reading) -> tuple[tuple[ColumnContract, ...], tuple[str, ...]]:
    """Columns to compare, and the names of the others that a source could fill."""
    given: dict[str, bool] = {}
    for row in reading.wanted():
        for name in {*given, *row}:
            given[name] = given.get(name, True) and row.get(name) not in (None, "")
    compared = tuple(
        column
        for column in fillable(table)
        if column.name in given and family(column.type) and (column.default is None or given[column.name])
    )
    names = {column.name for column in compared}
    return compared, tuple(column.name for column in fillable(table) if column.name not in names)


def _copy_hashes(
    connection: Connection, table: TableContract, compared: tuple[ColumnContract, ...], reading: _Reading
) -> None:
    _SOURCE.create(connection)
    types = {column.name: column.type for column in table.columns}
    mark = str((declared_source(table).get("watermark") or {}).get("column", ""))
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(_SOURCE.name))
    with driver_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for row in reading.wanted():
            key = source_hash([source_text(row.get(name), types[name]) for name in table.primary_key])
            values = source_hash([source_text(row.get(column.name), column.type) for column in compared])
            reading.rounded += sum(is_rounded(row.get(column.name), column.type) for column in compared)
            found = row.get(mark)
            copy.write_row((key, values, found if isinstance(found, str) else column_text(found, types.get(mark, ""))))


def _differences(
    connection: Connection, table: TableContract, target: Table, compared: tuple[ColumnContract, ...]
) -> dict[str, Any]:
    types = {column.name: column.type for column in table.columns}
    key = server_hash([server_text(target.c[name], types[name]) for name in table.primary_key])
    values = server_hash([server_text(target.c[column.name], column.type) for column in compared])
    held = select(key.label("key_hash"), values.label("row_hash")).subquery("held")
    source = select(_SOURCE.c.key_hash, _SOURCE.c.row_hash).distinct().subquery("source")
    both = source.join(held, source.c.key_hash == held.c.key_hash, full=True)
    is_in_source, is_held = source.c.key_hash.is_not(None), held.c.key_hash.is_not(None)
    query = select(
        func.count().filter(is_in_source).label("source_rows"),
        func.count().filter(is_held).label("table_rows"),
        func.count().filter(is_in_source, ~is_held).label("missing"),
        func.count().filter(is_in_source, is_held, source.c.row_hash != held.c.row_hash).label("differing"),
        func.count().filter(~is_in_source, is_held).label("extra"),
        func.coalesce(func.sum(cast(source.c.row_hash, Numeric)), 0).label("checksum_source"),
        func.coalesce(func.sum(cast(held.c.row_hash, Numeric)).filter(is_in_source), 0).label("checksum_table"),
    ).select_from(both)
    row = connection.execute(query).mappings().one()
    return {name: str(value) if name.startswith("checksum") else int(value) for name, value in row.items()}
