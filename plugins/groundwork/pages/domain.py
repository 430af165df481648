"""Collects a domain's page: what its contracts declare, beside what the warehouse and the store know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Engine, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from groundwork.contracts.contract import ColumnContract, Domain, IndexContract, TableContract
from groundwork.pages.block import Block, Problem
from groundwork.pages.declared import count, declared_domain
from groundwork.pages.origins import latest_books
from groundwork.pages.quality import latest_checks, latest_quality
from groundwork.pages.sources import Sources, guarded, open_store, open_warehouse
from groundwork.pages.table_view import CheckView, ColumnView, DomainPage, LiveView, LoadView, QualityView, TableView

# Statistics, not counts: a page must not read a table to tell its size. A partitioned table is the sum of its leaves.
# groundwork: allow raw_sql shows what the catalog and the books say of tables, not their rows
_LIVE = (
    text(
        """
        SELECT parent.relname AS table, sum(coalesce(s.n_live_tup, 0))::bigint AS rows,
               sum(pg_total_relation_size(leaf.relid))::bigint AS bytes
        FROM pg_class AS parent
        CROSS JOIN LATERAL (
          SELECT relid FROM pg_partition_tree(parent.oid) WHERE isleaf
          UNION ALL SELECT parent.oid WHERE parent.relkind = 'r'
        ) AS leaf
        LEFT JOIN pg_stat_user_tables AS s ON s.relid = leaf.relid
        WHERE parent.relkind IN ('r', 'p') AND NOT parent.relispartition
          AND parent.relnamespace = to_regnamespace(quote_ident(:schema)) AND parent.relname = ANY(:tables)
        GROUP BY parent.relname
        """
    )
    .bindparams(bindparam("tables", type_=ARRAY(Text)))
    .columns(rows=BigInteger, bytes=BigInteger)
)


def collect_domain(name: str, sources: Sources) -> DomainPage:
    """The page of a domain; never raises for a source that fails."""
    declared = guarded(lambda: declared_domain(name, sources.contracts))
    if declared.content is None:
        return DomainPage(name=name, purposes=(), problems=_problems([declared]), tables=())
    domain = declared.content
    store, warehouse = open_store(sources), open_warehouse(sources)
    live = warehouse.read(lambda engine: statistics(engine, domain))
    loads = warehouse.read(lambda engine: latest_books(engine, [domain]))
    quality = store.read(lambda engine: latest_quality(engine, [name]))
    checks = store.read(lambda engine: latest_checks(engine, name))
    scores = {view.table: view for view in quality.content or ()}
    return DomainPage(
        name=name,
        purposes=count(domain).purposes,
        problems=_problems([live, loads, quality, checks]),
        tables=tuple(
            _table(
                table,
                live=(live.content or {}).get((table.schema, table.name)),
                load=(loads.content or {}).get((table.schema, table.name)),
                quality=scores.get(table.name),
                checks=(checks.content or {}).get(table.name, ()),
            )
            for table in domain.tables
        ),
    )


def statistics(warehouse: Engine, domain: Domain) -> dict[tuple[str, str], LiveView]:
    """Estimated rows and size of each table that exists, by (schema, table)."""
    found = {}
    # groundwork: allow own_session shows what the catalog and the books say of tables, not their rows
    with warehouse.connect() as connection:
        for schema in dict.fromkeys(table.schema for table in domain.tables):
            names = [table.name for table in domain.tables if table.schema == schema]
            for row in connection.execute(_LIVE, {"schema": schema, "tables": names}):
                found[(schema, row.table)] = LiveView(rows=row.rows, bytes=row.bytes)
    return found


def _problems(blocks: Sequence[Block[Any]]) -> tuple[Problem, ...]:
    """Each problem of the blocks once."""
    return tuple(dict.fromkeys(block.problem for block in blocks if block.problem))


def _table(
    table: TableContract,
    *,
    live: LiveView | None,
    load: LoadView | None,
    quality: QualityView | None,
    checks: tuple[CheckView, ...],
) -> TableView:
    return TableView(
        name=table.name,
        schema=table.schema,
        description=table.description,
        grain=table.grain,
        tags=table.tags,
        columns=tuple(_column(column) for column in table.columns),
        references=tuple(
            (", ".join(link.columns), f"{link.target_table}({', '.join(link.target_columns)})")
            for link in table.relationships
        ),
        indexes=tuple((index.name, _keys(index), index.reason) for index in table.indexes),
        patterns=tuple((pattern.name, pattern.query) for pattern in table.access_patterns),
        partitioning=_partitioning(table),
        retention=_span(table.retention),
        live=live,
        load=load,
        quality=quality,
        checks=checks,
    )


def _column(column: ColumnContract) -> ColumnView:
    return ColumnView(
        name=column.name,
        type=column.type,
        is_required=column.is_required,
        key_position=column.primary_key_position,
        classification=column.classification,
        personal_data=column.personal_data,
        description=column.description,
    )


def _keys(index: IndexContract) -> str:
    return ", ".join(f"{key.column or key.expression}{' desc' if key.is_descending else ''}" for key in index.keys)


def _partitioning(table: TableContract) -> str | None:
    found = table.partitioning
    if found is None:
        return None
    how = f"By {found.strategy} of {', '.join(found.columns)}"
    if not found.interval:
        return f"{how}, {len(found.partitions)} partitions"
    return f"{how}, one per {found.interval}, {found.start} to {found.end}"


def _span(level: tuple[float, str] | None) -> str | None:
    if level is None:
        return None
    words = {"y": "years", "m": "months", "d": "days", "h": "hours"}
    return f"{level[0]:g} {words.get(level[1], level[1])}"
