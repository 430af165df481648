"""A table against its source, row by row, without believing the loader.

The source is read again (see `groundwork.flow.reconciliation.reread`), each row becomes one hash of its key and one of
its values, and the server makes the same hashes from the table. What is in quarantine, by the books of its last load,
is left out. Rows of the table that the source does not have (from other sources, or older files) are counted and are no
difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, Numeric, Table, cast, func, select

from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.flow.driver import driver_connection
from groundwork.flow.faults import database_faults
from groundwork.flow.ledger import QUARANTINE, latest_loads
from groundwork.flow.reconciliation.canonical import (
    family,
    is_rounded,
    server_hash,
    server_text,
    source_hash,
    source_text,
)
from groundwork.flow.reconciliation.reread import Reread
from groundwork.flow.resources import Resources
from groundwork.flow.source import declared_source, fillable

_SOURCE = Table(
    "groundwork_source_hash",
    MetaData(),
    Column("key_hash", BigInteger, nullable=False),
    Column("row_hash", BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """One table and its source, in rows.

    `source_records` are all records of the source, `source_rows` those that should be in the table (not in quarantine,
    each key once). `missing` are source rows without a table row of their key, `differing` those whose values differ,
    `extra` table rows that the source does not have. The checksums are sums over the hashes of the source's rows, made
    on each side. `rounded_values` had more decimals than their column keeps. `columns_not_compared` have a type whose
    text two sides may spell differently, or a default that the source leaves to the database. `is_source_unchanged`
    tells whether the file is the one of the last load (null for computed rows), `books_agree` whether that load's books
    balance and, for an unchanged source, name as many records as were read here.
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
    engine: Engine, domain: Domain, table: TableContract, *, project: Path, resources: Resources | None = None
) -> Reconciliation:
    """Compare `table` with its declared source; reads only. `resources` is how a source outside is reached.

    Raises: ConfigError when the source cannot be read; RetriableError when the connection is lost.
    """
    with database_faults(table.qualified_name), engine.connect() as connection, connection.begin() as transaction:
        found = _reconcile(connection, engine, domain, table, project, resources)
        transaction.rollback()
        return found


def _reconcile(
    connection: Connection,
    engine: Engine,
    domain: Domain,
    table: TableContract,
    project: Path,
    resources: Resources | None,
) -> Reconciliation:
    books = next((row for row in latest_loads(connection, table.schema) if row["table_name"] == table.name), None)
    skipped = _quarantined(connection, books["load_id"]) if books else frozenset()
    source = Reread(engine=engine, domain=domain, table=table, project=project, resources=resources)
    compared, left_out = _columns(table, _Reading(rows=source.rows(), skipped=skipped))
    target = metadata(domain).tables[table.qualified_name]
    reading = _Reading(rows=source.rows(), skipped=skipped)
    _copy_hashes(connection, table, compared, reading)
    digest = source.digest()
    is_unchanged = digest == books["checksum"] if books and digest else None
    return Reconciliation(
        table=table.qualified_name,
        source=source.description,
        kind=str(declared_source(table).get("kind")),
        source_records=reading.records,
        **_differences(connection, table, target, compared),
        rounded_values=reading.rounded,
        columns_compared=tuple(column.name for column in compared),
        columns_not_compared=left_out,
        load_id=books["load_id"] if books else None,
        is_source_unchanged=is_unchanged,
        books_agree=books is not None and (is_unchanged is False or books["read"] == reading.records),
    )


def _quarantined(connection: Connection, load_id: int) -> frozenset[int]:
    return frozenset(connection.scalars(select(QUARANTINE.c.position).where(QUARANTINE.c.load_id == load_id)))


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
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(_SOURCE.name))
    with driver_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for row in reading.wanted():
            key = source_hash([source_text(row.get(name), types[name]) for name in table.primary_key])
            values = source_hash([source_text(row.get(column.name), column.type) for column in compared])
            reading.rounded += sum(is_rounded(row.get(column.name), column.type) for column in compared)
            copy.write_row((key, values))


def _differences(
    connection: Connection, table: TableContract, target: Table, compared: tuple[ColumnContract, ...]
) -> dict[str, Any]:
    types = {column.name: column.type for column in table.columns}
    key = server_hash([server_text(target.c[name], types[name]) for name in table.primary_key])
    values = server_hash([server_text(target.c[column.name], column.type) for column in compared])
    held = select(key.label("key_hash"), values.label("row_hash")).subquery("held")
    source = select(_SOURCE).distinct().subquery("source")
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
