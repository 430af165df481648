"""The shape of a table, the same value for the declared world and the observed one, so that they can be compared.

Types, defaults and expressions are PostgreSQL's own canonical text (`format_type`, `pg_get_expr`), never a contract's
spelling: two shapes are equal exactly when the server would say so. Order of columns, keys and indexes is significant
only where the server makes it so.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SequenceShape:
    """A sequence: its own, or the one a column is numbered from.

    `start` is where it once began: a fact about rows, not about form, so it does not enter comparisons.
    """

    schema: str
    name: str
    type: str
    increment: int
    minimum: int
    maximum: int
    cache: int
    is_cycling: bool
    start: int = field(compare=False)
    comment: str | None = None

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people; never for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class EnumTypeShape:
    """A native enum type with its values in their order."""

    schema: str
    name: str
    values: tuple[str, ...]
    comment: str | None = None

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people; never for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True, order=True)
class UnsupportedShape:
    """Something in the database that no contract can declare; `table` is empty for what belongs to none."""

    schema: str
    table: str
    kind: str
    name: str

    def __str__(self) -> str:
        owner = f"{self.schema}.{self.table}" if self.table else self.schema
        return f"{self.kind} {self.name} of {owner}"


@dataclass(frozen=True, kw_only=True)
class ColumnShape:
    """One column.

    `identity` is null, `always`, `by default` or `serial` (a default from a sequence that the column owns; `default` is
    null then), `sequence` the sequence behind it. `generated` is the expression, followed by VIRTUAL where the value is
    computed when it is read.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    identity: str | None = None
    generated: str | None = None
    comment: str | None = None
    sequence: SequenceShape | None = None


@dataclass(frozen=True, kw_only=True)
class KeyShape:
    """A primary key or a unique constraint; `options` are SQL words (`DEFERRABLE`, `NULLS NOT DISTINCT`, …)."""

    name: str
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ForeignKeyShape:
    """A foreign key; actions are SQL words (`NO ACTION`, `CASCADE`, `SET NULL (a)`, …)."""

    name: str
    columns: tuple[str, ...]
    target_schema: str
    target_table: str
    target_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    is_validated: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckShape:
    """A CHECK constraint with the server's text of its condition."""

    name: str
    condition: str
    is_validated: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IndexShape:
    """An index that no constraint owns; each key is the server's text of a column or expression with its order."""

    name: str
    keys: tuple[str, ...]
    is_unique: bool = False
    method: str = "btree"
    predicate: str | None = None
    include: tuple[str, ...] = ()
    is_valid: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PartitionShape:
    """One partition of a table with the server's text of its bounds."""

    name: str
    bounds: str


@dataclass(frozen=True, kw_only=True)
class TableShape:
    """A table with everything a contract can declare of it."""

    schema: str
    name: str
    columns: tuple[ColumnShape, ...]
    primary_key: KeyShape | None = None
    unique_keys: tuple[KeyShape, ...] = ()
    foreign_keys: tuple[ForeignKeyShape, ...] = ()
    checks: tuple[CheckShape, ...] = ()
    indexes: tuple[IndexShape, ...] = ()
    partition_key: str | None = None
    partitions: tuple[PartitionShape, ...] = ()
    comment: str | None = None

    @property
    def qualified_name(self) -> str:
        """`schema.name`, for people; never for SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class SchemaShape:
    """Everything observed of some schemas, in order of schema and name.

    `sequences` are those that no column is numbered from. `unsupported` is what no contract can declare.
    """

    tables: tuple[TableShape, ...] = ()
    enum_types: tuple[EnumTypeShape, ...] = ()
    sequences: tuple[SequenceShape, ...] = ()
    unsupported: tuple[UnsupportedShape, ...] = ()
