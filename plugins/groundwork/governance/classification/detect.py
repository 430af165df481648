"""Classifies every column of a domain from names, types, neighbours and a sample of the live values.

Reads the warehouse, changes nothing, and keeps no value: what leaves this module are verdicts with shares. Tables that
are empty or not made yet are classified by names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.governance.classification.judge import DEMANDED, ColumnSample, judge
from groundwork.governance.classification.names import name_pattern
from groundwork.governance.statements import compose, name, run
from groundwork.model.detection import ClassificationOverride, Detection, Signal
from groundwork.model.vocabulary import Classification, PersonalData

_LONGEST_VALUE = 500  # characters of a value that are looked at
_SPREAD = 10  # a table of more than this many samples is sampled all over instead of read from its start
_CHEAP_ROWS = 200_000  # up to here the server reads the whole table to sample it


def detect_columns(
    connection: Connection,
    domain: Domain,
    sample_rows: int = 500,
    *,
    demanded: Mapping[PersonalData, Classification] = DEMANDED,
    overrides: Sequence[ClassificationOverride] = (),
) -> list[Detection]:
    """One verdict per declared column, in order of declaration.

    `overrides` are people's decisions, latest first: the one on the very column counts before one on a like name.
    """
    found: list[Detection] = []
    for table in domain.tables:
        values = _sample(connection, table, sample_rows)
        neighbours = tuple(column.name for column in table.columns)
        for column in table.columns:
            sample = ColumnSample(
                schema=table.schema,
                table=table.name,
                column=column.name,
                type=column.type,
                values=values.get(column.name, ()),
                neighbours=neighbours,
            )
            found.append(overridden(judge(sample, demanded), overrides))
    return found


def overridden(detection: Detection, overrides: Sequence[ClassificationOverride]) -> Detection:
    """The detection, or the person's verdict that stands in its place."""
    table, pattern = f"{detection.schema}.{detection.table}", name_pattern(detection.column)
    exact = [found for found in overrides if (found.table, found.column) == (table, detection.column)]
    alike = [found for found in overrides if found.name_pattern == pattern]
    for override in (*exact, *alike):
        decided_on = "this column" if override in exact else f"{override.table}.{override.column}"
        return Detection(
            schema=detection.schema,
            table=detection.table,
            column=detection.column,
            personal_data=override.personal_data,
            classification=override.classification,
            confidence=1.0,
            evidence=(
                Signal(kind="person", rule=f"{override.decided_by} decided on {decided_on}: {override.reason}"),
                *detection.evidence,
            ),
            sampled=detection.sampled,
            overridden_by=override.decided_by,
        )
    return detection


def _sample(connection: Connection, table: TableContract, rows: int) -> dict[str, list[str]]:
    """Texts of up to `rows` rows per column that the live table has; nothing when there is no such table."""
    live = {row.name: row.type for row in connection.execute(_LIVE, {"schema": table.schema, "table": table.name})}
    columns = [column.name for column in table.columns if live.get(column.name) not in {None, "bytea", "tsvector"}]
    if not columns:
        return {}
    estimate = connection.execute(_ESTIMATE, {"schema": table.schema, "table": table.name}).scalar() or 0
    fetched: Sequence[Sequence[object]] = ()
    if estimate > rows * _SPREAD:
        fetched = _fetch(connection, table, columns, _sampling(float(estimate), rows), rows * _SPREAD * 2)
        fetched = fetched[:: max(1, len(fetched) // rows)][:rows]  # they come in order: take from all over
    if not fetched:
        fetched = _fetch(connection, table, columns, sql.SQL(""), rows)
    return {
        column: [str(row[place]) for row in fetched if row[place] is not None] for place, column in enumerate(columns)
    }


def _sampling(estimate: float, rows: int) -> sql.Composable:
    """By rows where reading the whole table is cheap, else by blocks: more of them, since rows of a block are alike."""
    method = "BERNOULLI" if estimate <= _CHEAP_ROWS else "SYSTEM"
    percent = min(100.0, 100.0 * rows * _SPREAD / estimate)
    return compose(
        " TABLESAMPLE {method} ({percent}) REPEATABLE (20000)",
        method=sql.SQL(method),
        percent=sql.Literal(round(percent, 6)),
    )


def _fetch(
    connection: Connection, table: TableContract, columns: Sequence[str], sampling: sql.Composable, rows: int
) -> Sequence[Sequence[object]]:
    texts = [
        compose("left(CAST({column} AS text), {longest})", column=name(column), longest=sql.Literal(_LONGEST_VALUE))
        for column in columns
    ]
    statement = compose(
        "SELECT {texts} FROM {base}{sampling} LIMIT {rows}",
        texts=sql.SQL(", ").join(texts),
        base=name(table.schema, table.name),
        sampling=sampling,
        rows=sql.Literal(rows),
    )
    return run(connection, statement).all()


_LIVE = text("""
    SELECT a.attname AS name, t.typname AS type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_type t ON t.oid = a.atttypid
    WHERE n.nspname = :schema AND c.relname = :table AND c.relkind IN ('r', 'p') AND a.attnum > 0
      AND NOT a.attisdropped
""")
_ESTIMATE = text("""
    WITH asked AS (SELECT to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text))) AS oid)
    SELECT sum(greatest(c.reltuples, 0))
    FROM pg_class c
    WHERE c.oid IN (SELECT oid FROM asked UNION SELECT part.relid FROM asked, pg_partition_tree(asked.oid) part
                    WHERE part.isleaf)
      AND c.relkind = 'r'
""")
