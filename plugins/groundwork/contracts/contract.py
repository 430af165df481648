"""The values a contract declares, as the rest of Groundwork reads them.

Each value keeps the `pointer` to its place in the file, so that findings can name the line. Nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundwork.contracts.document import Document
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification, PersonalData


@dataclass(frozen=True, kw_only=True)
class ColumnContract:
    """One column; `type` is the contract's `physicalType`, `position` in the primary key counts from 1 (else null)."""

    name: str
    type: str
    logical_type: str | None
    options: Mapping[str, Any]
    is_required: bool
    primary_key_position: int | None
    is_unique: bool
    default: str | None
    identity: str | None
    generated: str | None
    description: str | None
    classification: Classification | None
    personal_data: PersonalData | None
    masking: str | None
    allowed_values: tuple[Any, ...]
    quality: tuple[Mapping[str, Any], ...]
    pointer: str


@dataclass(frozen=True, kw_only=True)
class RelationshipContract:
    """A foreign key; the target may live in another contract of the domain."""

    columns: tuple[str, ...]
    target_table: str
    target_columns: tuple[str, ...]
    on_delete: str
    pointer: str


@dataclass(frozen=True, kw_only=True)
class IndexContract:
    """An index; each key is a column name or an SQL expression, with `desc` told apart."""

    name: str
    keys: tuple[IndexKey, ...]
    is_unique: bool
    method: str
    where: str | None
    include: tuple[str, ...]
    reason: str | None
    pointer: str


@dataclass(frozen=True, kw_only=True)
class IndexKey:
    """A column (`column`) or an expression (`expression`), exactly one of them; `operator_class` is optional."""

    column: str | None = None
    expression: str | None = None
    is_descending: bool = False
    operator_class: str | None = None


@dataclass(frozen=True, kw_only=True)
class PartitioningContract:
    """Range partitioning by `interval` (`year` or `month`) over [`start`, `end`), dates as ISO text."""

    strategy: str
    columns: tuple[str, ...]
    interval: str
    start: str
    end: str
    has_default: bool
    pointer: str


@dataclass(frozen=True, kw_only=True)
class AccessPattern:
    """A query the table must serve fast; `query` is one SELECT with literal values."""

    name: str
    query: str
    description: str | None
    pointer: str


@dataclass(frozen=True, kw_only=True)
class ConstraintContract:
    """A CHECK constraint (`condition`) or a unique key (`columns`)."""

    name: str
    condition: str | None = None
    columns: tuple[str, ...] = ()
    pointer: str


@dataclass(frozen=True, kw_only=True)
class TableContract:
    """One table of a contract with everything declared of it.

    `source` is the declaration of where its rows come from (see `groundwork.flow`), null when nothing loads it.
    `retention` and `freshness` are (value, unit) of the service-level properties that name this table.
    """

    name: str
    schema: str
    description: str | None
    grain: str | None
    tags: tuple[str, ...]
    columns: tuple[ColumnContract, ...]
    relationships: tuple[RelationshipContract, ...]
    indexes: tuple[IndexContract, ...]
    unique_keys: tuple[ConstraintContract, ...]
    checks: tuple[ConstraintContract, ...]
    partitioning: PartitioningContract | None
    access_patterns: tuple[AccessPattern, ...]
    quality: tuple[Mapping[str, Any], ...]
    source: Mapping[str, Any] | None
    retention: tuple[float, str] | None
    freshness: tuple[float, str] | None
    retention_column: str | None
    pointer: str

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people and asset names; never for SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names of the primary key's columns in key order; empty when none is declared."""
        keyed = [column for column in self.columns if column.primary_key_position is not None]
        return tuple(column.name for column in sorted(keyed, key=lambda c: c.primary_key_position or 0))

    def column(self, name: str) -> ColumnContract:
        """The column called `name`.

        Raises: ConfigError when the contract declares none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        declared = ", ".join(column.name for column in self.columns)
        raise ConfigError(
            f"no column `{name}` is declared", where=self.qualified_name, expected=f"one of {declared}", found=name
        )


@dataclass(frozen=True, kw_only=True)
class RoleContract:
    """A database role of the contract; it sees values up to `clearance` unmasked; `access` is `read` or `write`."""

    name: str
    access: str
    clearance: Classification
    description: str | None
    pointer: str


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One contract file."""

    document: Document
    id: str
    name: str
    version: str
    domain: str
    status: str
    owner: str
    purpose: str | None
    residency: str | None
    tables: tuple[TableContract, ...]
    roles: tuple[RoleContract, ...]

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self.document.path


@dataclass(frozen=True, kw_only=True)
class Domain:
    """All contracts of one domain, in order of file name."""

    name: str
    contracts: tuple[Contract, ...] = field(default=())

    @property
    def tables(self) -> tuple[TableContract, ...]:
        """All tables in order of file and declaration."""
        return tuple(table for contract in self.contracts for table in contract.tables)

    @property
    def roles(self) -> tuple[RoleContract, ...]:
        """All roles, each name once (contracts of a domain share roles; the first declaration counts)."""
        return tuple({role.name: role for contract in reversed(self.contracts) for role in contract.roles}.values())

    def table(self, name: str) -> TableContract:
        """The table called `name` (with or without its schema).

        Raises: ConfigError when no contract of the domain declares it.
        """
        for table in self.tables:
            if name in (table.name, table.qualified_name):
                return table
        raise ConfigError(
            f"no table `{name}` is declared",
            where=f"domain {self.name}",
            expected=f"one of {', '.join(table.name for table in self.tables)}",
            found=name,
        )

    def contract_of(self, table: TableContract) -> Contract:
        """The contract that declares `table`."""
        return next(contract for contract in self.contracts if table in contract.tables)
