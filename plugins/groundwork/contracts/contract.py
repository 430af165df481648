"""The values a contract declares, as the rest of Groundwork reads them.

Each value keeps the `pointer` to its place in the file, so that findings can name the line. Nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundwork.contracts.document import Document
from groundwork.contracts.table_parts import (
    AccessPattern,
    ConstraintContract,
    EnumTypeContract,
    IndexContract,
    IndexKey,
    PartitionContract,
    PartitioningContract,
    RelationshipContract,
    SequenceContract,
)
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification, PersonalData

__all__ = [
    "AccessPattern",
    "ColumnContract",
    "ConstraintContract",
    "Contract",
    "Domain",
    "EnumTypeContract",
    "IndexContract",
    "IndexKey",
    "PartitionContract",
    "PartitioningContract",
    "RelationshipContract",
    "RoleContract",
    "SequenceContract",
    "TableContract",
]


@dataclass(frozen=True, kw_only=True)
class ColumnContract:
    """One column, or one nested property of an object or array.

    `type` is the contract's `physicalType`, or what follows from `logicalType` where there is none. `position` in the
    primary key counts from 1 (else null). `identity` is `always`, `by default` or `serial`; `sequence` holds options of
    the numbers it gives out (`start`, `increment`, `minimum`, `maximum`, `cache`, `cycle`, `type`). `generated_kind` is
    `stored` or `virtual`. `items` are the elements of an array or the values of a map. `enum_type` is the declared enum
    type that `type` names. `name` is the name in the database, `logical_name` the one in the contract where it differs.
    """

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
    logical_name: str | None = None
    collation: str | None = None
    generated_kind: str = "stored"
    sequence: Mapping[str, Any] | None = None
    enum_type: EnumTypeContract | None = None
    properties: tuple[ColumnContract, ...] = ()
    items: ColumnContract | None = None

    @property
    def possible_values(self) -> tuple[Any, ...]:
        """The values it may have: the allowed ones, else those of its enum type; empty when anything of its type is.

        An array of an enum type has none: its elements have.
        """
        if self.allowed_values or self.enum_type is None or self.type.rstrip().endswith("[]"):
            return self.allowed_values
        return self.enum_type.values


@dataclass(frozen=True, kw_only=True)
class TableContract:
    """One table of a contract with everything declared of it.

    `source` is the declaration of where its rows come from (see `groundwork.flow`), null when nothing loads it.
    `retention` and `freshness` are (value, unit) of the service-level properties that name this table. `physical_type`
    is what the contract calls the object (`table`, `topic`, `file`, …). `primary_key_name` is null where PostgreSQL's
    own habit names the key; `primary_key_include` are columns its index carries along, `primary_key_deferrable` is
    `initially deferred`, `initially immediate` or null. `measures` are properties that are computed of many rows and
    stored in none.
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
    logical_name: str | None = None
    physical_type: str | None = None
    primary_key_name: str | None = None
    primary_key_include: tuple[str, ...] = ()
    primary_key_deferrable: str | None = None
    measures: tuple[ColumnContract, ...] = ()

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
        """The column called `name` in the database, else in the contract.

        Raises: ConfigError when the contract declares none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        for column in self.columns:
            if column.logical_name == name:
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
    """One contract file.

    `other_objects` are the objects of its schema that are no tables of a database (topics, files, views, …).
    """

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
    enum_types: tuple[EnumTypeContract, ...] = ()
    sequences: tuple[SequenceContract, ...] = ()
    other_objects: tuple[TableContract, ...] = ()

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
    def enum_types(self) -> tuple[EnumTypeContract, ...]:
        """All enum types, each once (contracts of a domain may repeat one; the first declaration counts)."""
        found: dict[tuple[str, str], EnumTypeContract] = {}
        for contract in self.contracts:
            for each in contract.enum_types:
                found.setdefault((each.schema, each.name), each)
        return tuple(found.values())

    @property
    def sequences(self) -> tuple[SequenceContract, ...]:
        """All sequences that stand for themselves, each once."""
        found: dict[tuple[str, str], SequenceContract] = {}
        for contract in self.contracts:
            for each in contract.sequences:
                found.setdefault((each.schema, each.name), each)
        return tuple(found.values())

    @property
    def schemas(self) -> tuple[str, ...]:
        """The database schemas that the domain declares anything in, in order of name."""
        owners = (self.tables, self.enum_types, self.sequences)
        return tuple(sorted({each.schema for items in owners for each in items}))

    @property
    def roles(self) -> tuple[RoleContract, ...]:
        """All roles, each name once (contracts of a domain share roles; the first declaration counts)."""
        return tuple({role.name: role for contract in reversed(self.contracts) for role in contract.roles}.values())

    def table(self, name: str) -> TableContract:
        """The table called `name` (with or without its schema) in the database, else in the contract.

        Raises: ConfigError when no contract of the domain declares it.
        """
        for table in self.tables:
            if name in (table.name, table.qualified_name):
                return table
        for table in self.tables:
            if name == table.logical_name:
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
