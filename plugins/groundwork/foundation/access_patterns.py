"""How the planner would serve each access pattern that the contracts declare.

A table with at least `ENOUGH_ROWS` rows is asked as it is. A smaller one says nothing (reading it whole is always
cheapest), so the pattern is asked of a copy in a scratch schema, filled with made-up rows and rolled back.
"""

# groundwork: allow-file direct_driver,raw_sql gates measure the live database, beside what they judge

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.catalog.session import run, undone
from groundwork.contracts.contract import AccessPattern, Domain, TableContract
from groundwork.contracts.declared import scratch_names
from groundwork.contracts.derive.ddl import Statement, StatementKind, relocated, statements
from groundwork.contracts.fragment import parse_query, relocated_query
from groundwork.foundation import sample_rows

ENOUGH_ROWS = 1_000
_COUNTED_ROWS = 1_000_000  # beyond that the exact number does not matter
_TIMEOUT = "60s"
_OWN_INDEXES = text(
    """
    WITH root AS (SELECT to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text))) AS oid)
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid IN (SELECT oid FROM root UNION SELECT t.relid FROM root, pg_partition_tree(root.oid) t)
    """
)


@dataclass(frozen=True, kw_only=True)
class PatternEvidence:
    """What the planner said of one access pattern; `cost` is the root's total cost in the planner's unit.

    `indexes` are those of the table that the plan uses; `scanned` the relations of the whole query read from end to
    end. `measured_on` is `live table` or `scratch copy with made-up rows`.
    """

    pattern: str
    table: str
    rows: int
    measured_on: str
    indexes: tuple[str, ...]
    scanned: tuple[str, ...]
    cost: float

    @property
    def is_served(self) -> bool:
        """Whether the plan uses an index of the table."""
        return bool(self.indexes)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "is_served": self.is_served}


def measure_patterns(
    connection: Connection, domain: Domain, *, only: TableContract | None = None
) -> list[PatternEvidence]:
    """The evidence for every declared access pattern (of the table `only`, when it is given), in order of declaration.

    Nothing in the database changes.
    """
    chosen = domain.tables if only is None else (only,)
    with undone(connection):
        run(connection, f"SET LOCAL statement_timeout = '{_TIMEOUT}'")
        counts = {table.qualified_name: _count(connection, table.schema, table.name) for table in chosen}
        copy = _Copy(connection, domain)
        found = []
        for table in chosen:
            is_live = counts[table.qualified_name] >= ENOUGH_ROWS
            for pattern in table.access_patterns:
                if is_live:
                    plan = _explain(connection, pattern.query)
                    found.append(
                        _evidence(connection, table, pattern, plan, counts[table.qualified_name], table.schema)
                    )
                else:
                    found.append(copy.measure(table, pattern))
    return found


class _Copy:
    """The domain's tables without rows, references and checks in a scratch schema, filled as they are asked for."""

    def __init__(self, connection: Connection, domain: Domain) -> None:
        self._connection = connection
        self._domain = domain
        self._schemas: dict[str, str] = {}
        self._statements: tuple[Statement, ...] = ()
        self._rows: dict[str, int] = {}

    def measure(self, table: TableContract, pattern: AccessPattern) -> PatternEvidence:
        if not self._schemas:
            self._make()
        for reference in parse_query(pattern.query).tables:
            for read in self._domain.tables:
                if reference.name == read.name and reference.schema in (None, read.schema):
                    self._fill(read)
        self._fill(table)
        plan = _explain(self._connection, relocated_query(pattern.query, self._schemas))
        rows = self._rows[table.qualified_name]
        found = _evidence(self._connection, table, pattern, plan, rows, self._schemas[table.schema])
        return replace(found, measured_on="scratch copy with made-up rows")

    def _make(self) -> None:
        self._schemas = scratch_names(self._domain)
        self._statements = statements(relocated(_bare(self._domain), self._schemas))
        for statement in self._statements:
            if statement.kind in (StatementKind.SCHEMA, StatementKind.TABLE, StatementKind.PARTITION):
                run(self._connection, statement.sql)

    def _fill(self, table: TableContract) -> None:
        if table.qualified_name in self._rows:
            return
        schema = self._schemas[table.schema]
        run(self._connection, sample_rows.insert_statement(table, schema))
        for statement in self._statements:  # after the rows: building an index at once is much faster
            if statement.kind is StatementKind.INDEX and (statement.schema, statement.table) == (schema, table.name):
                run(self._connection, _not_unique(statement.sql))
        run(self._connection, sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table.name)).as_string())
        self._rows[table.qualified_name] = _count(self._connection, schema, table.name)


def _not_unique(statement: str) -> str:
    """The index without its promise, which made-up rows need not keep; it serves queries all the same."""
    return statement.replace("CREATE UNIQUE INDEX", "CREATE INDEX", 1)


def _bare(domain: Domain) -> Domain:
    """`domain` without what made-up rows could break or would have to obey."""
    return replace(
        domain,
        contracts=tuple(
            replace(contract, tables=tuple(_bare_table(table) for table in contract.tables))
            for contract in domain.contracts
        ),
    )


def _bare_table(table: TableContract) -> TableContract:
    columns = tuple(replace(column, allowed_values=(), identity=None) for column in table.columns)
    return replace(table, columns=columns, checks=(), relationships=())


def _count(connection: Connection, schema: str, table: str) -> int:
    """The number of rows, at most `_COUNTED_ROWS`; 0 for a table that is not there."""
    name = sql.Identifier(schema, table).as_string()
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is None:
        return 0
    query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) counted")
    statement = query.format(sql.Identifier(schema, table), sql.Literal(_COUNTED_ROWS)).as_string()
    return int(str(run(connection, statement).scalar_one()))


def _explain(connection: Connection, query: str) -> dict[str, Any]:
    parse_query(query)  # a contract's text: nothing but one reading SELECT reaches the server
    found: Any = run(connection, f"EXPLAIN (FORMAT JSON) {query}").scalar_one()
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def _evidence(
    connection: Connection, table: TableContract, pattern: AccessPattern, plan: dict[str, Any], rows: int, schema: str
) -> PatternEvidence:
    own: set[str] = set(connection.execute(_OWN_INDEXES, {"schema": schema, "table": table.name}).scalars())
    nodes = list(_nodes(plan))
    used = [node["Index Name"] for node in nodes if node.get("Index Name") in own]
    scanned = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    return PatternEvidence(
        pattern=pattern.name,
        table=table.qualified_name,
        rows=rows,
        measured_on="live table",
        indexes=tuple(dict.fromkeys(used)),
        scanned=tuple(dict.fromkeys(scanned)),
        cost=float(plan["Total Cost"]),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
