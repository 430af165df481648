"""What the live database says about the tables that a plan touches: their size, their form, what can be cast.

A plan made with facts can tell an empty table from one that somebody would wait for, and can say how to go back to
what is there now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from groundwork.catalog.postgres import observe_schemas
from groundwork.contracts.contract import Domain
from groundwork.model.shape import SchemaShape, TableShape

SMALL_BYTES = 64 * 1024 * 1024  # of heap: rewritten in about a second
_SIZES = text(
    """
    SELECT n.nspname AS schema, c.relname AS name, sum(pg_relation_size(t.relid)) AS bytes,
           sum(greatest(p.reltuples, 0)) AS rows
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT c.oid AS relid UNION SELECT relid FROM pg_partition_tree(c.oid)) t
    JOIN pg_class p ON p.oid = t.relid
    WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p')
    GROUP BY 1, 2
    """
)
_CASTS = text("SELECT format_type(castsource, NULL), format_type(casttarget, NULL) FROM pg_cast")


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """The size of one table with its partitions: `bytes` of heap, and the server's estimate of `rows`."""

    bytes: int
    rows: int

    @property
    def is_empty(self) -> bool:
        """Whether the table holds no page of rows."""
        return self.bytes == 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts by `schema.table`; `small_bytes` is up to where a table may be rewritten while others wait."""

    sizes: Mapping[str, TableFacts] = field(default_factory=dict)
    observed: SchemaShape = field(default_factory=SchemaShape)
    casts: frozenset[tuple[str, str]] = frozenset()
    server_version: int = 0
    small_bytes: int = SMALL_BYTES

    def shape(self, schema: str, table: str) -> TableShape | None:
        """The table as it is, or null when it is not there."""
        return next((each for each in self.observed.tables if (each.schema, each.name) == (schema, table)), None)

    def is_empty(self, qualified: str) -> bool:
        """Whether the table is known to hold no rows."""
        return qualified in self.sizes and self.sizes[qualified].is_empty

    def is_small(self, qualified: str) -> bool:
        """Whether the table is known to be rewritten in about a second."""
        return qualified in self.sizes and self.sizes[qualified].bytes <= self.small_bytes

    def told(self, qualified: str) -> str:
        """The size for people: `the table is empty`, `the table holds 12 MB`."""
        if qualified not in self.sizes:
            return "the size of the table is not known"
        if self.is_empty(qualified):
            return "the table is empty"
        return f"the table holds {self.sizes[qualified].bytes / 1_000_000:.1f} MB"


def table_facts(connection: Connection, domain: Domain, *, small_bytes: int = SMALL_BYTES) -> Facts:
    """Facts about every table in the domain's schemas, by a handful of catalog queries; no table is read.

    Raises: RetriableError as `observe_schemas` does.
    """
    rows = connection.execute(_SIZES, {"schemas": list(domain.schemas)}).all()
    return Facts(
        sizes={f"{row.schema}.{row.name}": TableFacts(bytes=int(row.bytes), rows=int(row.rows)) for row in rows},
        observed=observe_schemas(connection, domain.schemas, with_unsupported=False),
        casts=frozenset((row[0], row[1]) for row in connection.execute(_CASTS)),
        server_version=int((connection.dialect.server_version_info or (0,))[0]),
        small_bytes=small_bytes,
    )
