"""A copy of tables, with some of their rows, on which plans with and without an index can be compared.

The copy lives in a schema of its own inside a transaction of the caller, who rolls it back: nothing of it stays.
"""

# groundwork: allow-file raw_sql designs are measured on the server: its catalog, its planner, scratch copies

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CheckConstraint, CreateIndex, CreateSchema, CreateTable, ForeignKeyConstraint, Index

from groundwork.contracts.contract import Domain, IndexContract, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.specialists.filler import ROWS, filler
from groundwork.specialists.queries import Demand, moved

SAMPLE_ROWS = 50_000  # rows copied per table: enough for a planner, less than a second
_TIMEOUT_MILLISECONDS = 20_000
_FIRST_KEY = text(
    """
    SELECT attribute.attname AS first_key, method.amname = 'btree' AS is_btree
    FROM pg_index AS owned
    JOIN pg_class AS class ON class.oid = owned.indexrelid
    JOIN pg_am AS method ON method.oid = class.relam
    LEFT JOIN pg_attribute AS attribute
      ON attribute.attrelid = owned.indrelid AND attribute.attnum = owned.indkey[0] AND owned.indkey[0] <> 0
    WHERE class.relname = :index
      AND owned.indrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))
    """
)
_log = logging.getLogger(__name__)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_INDEX_NODES = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one access pattern: the planner's total cost as it would run, the indexes of the table it can be
    served by (with sequential scans discouraged), and whether such an index narrows or orders the rows.
    """

    cost: float
    indexes: tuple[str, ...]
    is_served: bool


class Scratch:
    """The copied tables."""

    def __init__(self, connection: Connection, schema: str, tables: dict[tuple[str, str], Table]) -> None:
        self._connection = connection
        self._schema = schema
        self._tables = tables
        self._declared: dict[str, Index] = {
            str(index.name): index for table in tables.values() for index in list(table.indexes)
        }
        self.sample_rows: dict[tuple[str, str], int] = {}

    def add_declared(self, index: IndexContract) -> int:
        """Build one of the contract's indexes; its size in bytes."""
        return self._build(self._declared[index.name])

    def add(self, table: TableContract, name: str, keys: Sequence[tuple[str, bool]]) -> int:
        """Build a new B-tree index over (column, descending) keys; its size in bytes."""
        copy = self._tables[table.schema, table.name]
        return self._build(Index(name, *(copy.c[key].desc() if down else copy.c[key] for key, down in keys)))

    def analyze(self) -> None:
        """Give the planner statistics of the copies."""
        for table in self._tables.values():
            self._connection.execute(text(f"ANALYZE {self._name(table)}"))

    def plan(self, query: str, table: TableContract, asked: Demand) -> Plan:
        """How the server would run `query`, which asks `asked` of the table, on the copies."""
        statement = f"EXPLAIN (FORMAT JSON) {moved(query, frozenset(self._tables), self._schema)}"
        free = self._explain(statement)
        self._connection.execute(text("SET LOCAL enable_seqscan = off"))
        bound = self._explain(statement)
        self._connection.execute(text("SET LOCAL enable_seqscan = on"))
        nodes = list(_nodes(bound))
        is_sorted = any(node["Node Type"] in ("Sort", "Incremental Sort") for node in nodes)
        serving = tuple(
            node["Index Name"]
            for node in nodes
            if node["Node Type"] in _INDEX_NODES and self._serves(node, table, asked, is_sorted=is_sorted)
        )
        return Plan(cost=float(free["Total Cost"]), indexes=serving, is_served=bool(serving))

    def _explain(self, statement: str) -> dict[str, Any]:
        found: Any = self._connection.exec_driver_sql(statement).scalar_one()
        plans = json.loads(found) if isinstance(found, str) else found
        plan: dict[str, Any] = plans[0]["Plan"]
        return plan

    def _serves(self, node: dict[str, Any], table: TableContract, asked: Demand, *, is_sorted: bool) -> bool:
        """Whether the scan narrows by the index's first key or gives the wanted order by it.

        A scan that skips or filters over later keys reads most of the index: that is not serving.
        """
        values = {"schema": self._schema, "table": table.name, "index": node["Index Name"]}
        found = self._connection.execute(_FIRST_KEY, values).first()
        if found is None:
            return False
        if "Index Cond" in node:
            conditions = _LITERAL.sub("", node["Index Cond"])
            is_narrowed = re.search(rf"(?<!\w){re.escape(found.first_key or '')}(?!\w)", conditions) is not None
            return not found.is_btree or found.first_key is None or is_narrowed
        is_ordered = not is_sorted and node["Node Type"] != "Bitmap Index Scan"
        return is_ordered and found.first_key in [column for column, _ in asked.ordered[:1]]

    def _build(self, index: Index) -> int:
        self._connection.execute(CreateIndex(index))
        size = text("SELECT pg_relation_size(format('%I.%I', CAST(:schema AS text), CAST(:name AS text))::regclass)")
        return int(self._connection.execute(size, {"schema": self._schema, "name": index.name}).scalar_one())

    def _name(self, table: Table) -> str:
        return self._connection.dialect.identifier_preparer.format_table(table)

    def fill(self, originals: MetaData) -> None:
        """Copy rows of the live tables, where they exist and still fit; add made-up ones where these are few."""
        for (schema, name), copy in self._tables.items():
            original = originals.tables[f"{schema}.{name}"]
            columns = [column.name for column in original.columns if column.computed is None]
            rows = select(*(original.c[column] for column in columns)).limit(SAMPLE_ROWS)
            with suppress(DBAPIError), self._connection.begin_nested():
                self._connection.execute(copy.insert().from_select(columns, rows))
            # Nothing is copied when the table is not there yet or was changed by hand.
            count = self._connection.execute(select(func.count()).select_from(copy)).scalar_one()
            self.sample_rows[schema, name] = count
            if count < ROWS:
                made_up = insert(copy).from_select(columns, filler(copy, columns)).on_conflict_do_nothing()
                try:
                    with self._connection.begin_nested():
                        self._connection.execute(made_up)
                except DBAPIError as error:  # a type for which no value can be made up: plans of few rows then
                    _log.warning("no rows could be made up for %s.%s: %s", schema, name, type(error.orig).__name__)


@contextmanager
def scratch(connection: Connection, domain: Domain, tables: Sequence[TableContract]) -> Iterator[Scratch]:
    """Copies of `tables` with keys but without other indexes; gone at the end of the block, whatever happened.

    The connection may be inside a transaction; the copies live in a savepoint.
    """
    schema = f"groundwork_scratch_{uuid.uuid4().hex[:12]}"
    originals = metadata(domain)
    savepoint = connection.begin_nested()
    try:
        connection.execute(text(f"SET LOCAL statement_timeout = {_TIMEOUT_MILLISECONDS}"))
        connection.execute(CreateSchema(schema))
        target = MetaData()
        copies = {}
        for table in tables:
            copies[table.schema, table.name] = _copy(originals.tables[table.qualified_name], target, schema)
            connection.execute(CreateTable(copies[table.schema, table.name]))
        place = Scratch(connection, schema, copies)
        place.fill(originals)
        place.analyze()
        yield place
    finally:
        savepoint.rollback()


def _copy(original: Table, target: MetaData, schema: str) -> Table:
    """The table with its keys and indexes declared, without partitions, references and checks."""
    copy = original.to_metadata(target, schema=schema, referred_schema_fn=lambda *_: schema)
    copy.dialect_options["postgresql"]["partition_by"] = None
    for column in copy.columns:
        if column.identity is not None:
            column.identity = column.server_default = None
    for constraint in list(copy.constraints):
        if isinstance(constraint, ForeignKeyConstraint | CheckConstraint):
            copy.constraints.remove(constraint)
    return copy


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
