"""The parts of a table that a contract declares beside its columns: keys, references, indexes, partitions, queries.

Values only, each with the `pointer` to its place in the file. What they mean in SQL is said in
`groundwork.contracts.derive`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EnumTypeContract:
    """A native enum type; the order of `values` is their order in comparisons."""

    name: str
    schema: str
    values: tuple[str, ...]
    description: str | None = None
    pointer: str

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people; never for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class SequenceContract:
    """A sequence that no column owns; `options` as of a column's `sequence`, and `type` (an integer type)."""

    name: str
    schema: str
    options: Mapping[str, Any]
    description: str | None = None
    pointer: str

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people; never for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class RelationshipContract:
    """A foreign key; the target may live in another contract of the domain.

    Actions are SQL words in capitals (`CASCADE`, `SET NULL (a)`, …). `deferrable` is `initially deferred`, `initially
    immediate` or null; `name` is null where PostgreSQL's own habit names the key; `match` is `SIMPLE` or `FULL`.
    """

    columns: tuple[str, ...]
    target_table: str
    target_columns: tuple[str, ...]
    on_delete: str
    pointer: str
    on_update: str = "NO ACTION"
    deferrable: str | None = None
    name: str | None = None
    match: str = "SIMPLE"


@dataclass(frozen=True, kw_only=True)
class IndexContract:
    """An index; each key is a column name or an SQL expression, with its order told apart."""

    name: str
    keys: tuple[IndexKey, ...]
    is_unique: bool
    method: str
    where: str | None
    include: tuple[str, ...]
    reason: str | None
    pointer: str
    nulls_not_distinct: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexKey:
    """A column (`column`) or an expression (`expression`), exactly one of them.

    `nulls` is `first`, `last` or null (last for ascending keys, first for descending ones).
    """

    column: str | None = None
    expression: str | None = None
    is_descending: bool = False
    operator_class: str | None = None
    nulls: str | None = None
    collation: str | None = None


@dataclass(frozen=True, kw_only=True)
class PartitionContract:
    """One partition with explicit bounds, of exactly one kind.

    By range [`lower`, `upper`), one value per key column, where the words MINVALUE and MAXVALUE mean no bound; by list
    of `values`, where null is a value; by hash with `modulus` and `remainder`; or the default partition.
    """

    name: str
    lower: tuple[Any, ...] | None = None
    upper: tuple[Any, ...] | None = None
    values: tuple[Any, ...] | None = None
    modulus: int | None = None
    remainder: int | None = None
    is_default: bool = False
    pointer: str


@dataclass(frozen=True, kw_only=True)
class PartitioningContract:
    """How a table is partitioned: `strategy` is `range`, `list` or `hash`.

    Either by `interval` (`year` or `month`) over [`start`, `end`), dates as ISO text, with a default partition or
    without; or into the explicit `partitions`, and then `interval`, `start` and `end` are empty.
    """

    strategy: str
    columns: tuple[str, ...]
    interval: str
    start: str
    end: str
    has_default: bool
    pointer: str
    partitions: tuple[PartitionContract, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessPattern:
    """A query the table must serve fast; `query` is one SELECT with literal values."""

    name: str
    query: str
    description: str | None
    pointer: str


@dataclass(frozen=True, kw_only=True)
class ConstraintContract:
    """A CHECK constraint (`condition`) or a unique key (`columns`).

    Of a unique key, `include` are columns its index carries along; `deferrable` is `initially deferred`, `initially
    immediate` or null.
    """

    name: str
    condition: str | None = None
    columns: tuple[str, ...] = ()
    pointer: str
    include: tuple[str, ...] = ()
    nulls_not_distinct: bool = False
    deferrable: str | None = None
