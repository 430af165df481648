"""Numbers about one live table: rows, bytes, column statistics, how many days it spans.

Never a value of the data: of `pg_stats` only the numbers are read, of a time column only how many days it spans, and
that only where the contract calls the column public or internal and not personal (requirement L5).
"""

# groundwork: allow-file raw_sql designs are measured on the server: its catalog, its planner, scratch copies

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import TIMESTAMP, Connection, bindparam, cast, func, select, text
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.model.vocabulary import Classification

ColumnNumbers = Mapping[str, Mapping[str, float | None]]
_EXACT_BELOW = 1_000_000  # rows: fewer are counted, more are estimated from the server's statistics
_SIZE = text(
    """
    SELECT to_regclass(:name) IS NOT NULL AS is_there,
           coalesce(sum(GREATEST(class.reltuples, 0)), 0)::bigint AS row_estimate,
           coalesce(sum(pg_total_relation_size(class.oid)), 0)::bigint AS total_bytes,
           coalesce(sum(pg_indexes_size(class.oid)), 0)::bigint AS index_bytes
    FROM pg_class AS class
    WHERE class.relkind <> 'p'
      AND (class.oid = to_regclass(:name)
           OR class.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name))))
    """
)
_STATISTICS = text(
    """
    SELECT attname AS column_name, max(n_distinct) AS n_distinct, max(null_frac) AS null_fraction,
           max(abs(correlation)) AS correlation
    FROM pg_stats WHERE schemaname = :schema AND tablename = :table AND attname IN :columns GROUP BY attname
    """
).bindparams(bindparam("columns", expanding=True))


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Numbers of one table; all zero or null when it does not exist yet. Sizes in bytes, partitions included."""

    exists: bool = False
    row_count: int = 0
    is_row_count_exact: bool = True
    total_bytes: int = 0
    index_bytes: int = 0
    columns: ColumnNumbers = field(default_factory=dict)
    span_days: float | None = None


def measure(connection: Connection, domain: Domain, table: TableContract) -> Measurements:
    """Measure the live table."""
    preparer = connection.dialect.identifier_preparer
    name = f"{preparer.quote(table.schema)}.{preparer.quote(table.name)}"
    size = connection.execute(_SIZE, {"name": name}).one()
    if not size.is_there:
        return Measurements()
    is_exact = size.row_estimate < _EXACT_BELOW
    row_count: int = size.row_estimate
    if is_exact:
        live = metadata(domain).tables[table.qualified_name]
        row_count = connection.execute(select(func.count()).select_from(live)).scalar_one()
    return Measurements(
        exists=True,
        row_count=row_count,
        is_row_count_exact=is_exact,
        total_bytes=size.total_bytes,
        index_bytes=size.index_bytes,
        columns=_statistics(connection, table),
        span_days=_span_days(connection, domain, table),
    )


def time_column(table: TableContract) -> str | None:
    """The column that says when a row happened: the partition key, else the retention column, else null.

    Null also when the contract guards the column: then not even its span is looked at.
    """
    wanted = [*(table.partitioning.columns if table.partitioning else ()), table.retention_column]
    for name in filter(None, wanted):
        column = table.column(name)
        is_open = (column.classification or Classification.RESTRICTED).rank <= Classification.INTERNAL.rank
        if is_open and column.personal_data is None and column.type.lower().startswith(("date", "timestamp")):
            return name
    return None


def _statistics(connection: Connection, table: TableContract) -> ColumnNumbers:
    values = {"schema": table.schema, "table": table.name, "columns": [column.name for column in table.columns]}
    rows = connection.execute(_STATISTICS, values).mappings()
    return {
        row["column_name"]: {name: row[name] for name in ("n_distinct", "null_fraction", "correlation")} for row in rows
    }


def _span_days(connection: Connection, domain: Domain, table: TableContract) -> float | None:
    name = time_column(table)
    if name is None:
        return None
    at = cast(metadata(domain).tables[table.qualified_name].c[name], TIMESTAMP)
    try:
        with connection.begin_nested():
            seconds = connection.execute(select(func.extract("epoch", func.max(at) - func.min(at)))).scalar_one()
    except DBAPIError:  # the live column is not what the contract says; the comparison with the contract tells that
        return None
    return round(float(seconds) / 86_400 + 1, 3) if seconds is not None else None
