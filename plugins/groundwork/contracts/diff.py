"""Declared against observed, exact in both directions.

A change says what would have to be done to the database to make it what the contract declares: `missing` is declared
and not there, `extra` is there and not declared, `changed` is there and different, `renamed` is there under another
name. Tables, columns, constraints, indexes and partitions are compared; the order of columns and the name of a NOT
NULL constraint carry no meaning and are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from groundwork.catalog.postgres import observe
from groundwork.contracts.contract import Domain
from groundwork.contracts.declared import declared_shapes
from groundwork.contracts.definition import Definition, definitions
from groundwork.model.shape import ColumnShape, TableShape


class ChangeKind(StrEnum):
    """How the database differs from the contract."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    RENAMED = "renamed"


class ObjectType(StrEnum):
    """What differs; a column that exists on both sides is compared property by property."""

    TABLE = "table"
    TABLE_COMMENT = "table comment"
    COLUMN = "column"
    COLUMN_TYPE = "column type"
    COLUMN_NULLABILITY = "column nullability"
    COLUMN_DEFAULT = "column default"
    COLUMN_IDENTITY = "column identity"
    COLUMN_GENERATED = "column generation"
    COLUMN_COMMENT = "column comment"
    PRIMARY_KEY = "primary key"
    UNIQUE_KEY = "unique key"
    FOREIGN_KEY = "foreign key"
    CHECK = "check"
    INDEX = "index"
    PARTITION_KEY = "partition key"
    PARTITION = "partition"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference.

    `declared` and `observed` are SQL text of the definition, null where there is none; of a `renamed` object they are
    the two names. `name` is the declared name, or the observed one of something extra; of a property, its column's.
    """

    kind: ChangeKind
    schema: str
    table: str
    object_type: ObjectType
    name: str
    declared: str | None = None
    observed: str | None = None

    @property
    def qualified_table(self) -> str:
        """`schema.table`, for people; never for SQL."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, kw_only=True)
class Diff:
    """All differences, in order of table."""

    changes: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether database and contracts agree."""
        return not self.changes

    def of_table(self, name: str) -> Diff:
        """The differences of one table, named with or without its schema."""
        return Diff(changes=tuple(change for change in self.changes if name in (change.table, change.qualified_table)))

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: `is_empty`, `changes`."""
        return {"is_empty": self.is_empty, "changes": [asdict(change) for change in self.changes]}

    def to_text(self) -> str:
        """A form for people: by table, `+` declared but missing, `-` there but not declared, `~` different."""
        if self.is_empty:
            return "no differences: the database is what the contracts declare"
        lines: list[str] = []
        table = None
        for change in self.changes:
            if change.qualified_table != table:
                table = change.qualified_table
                lines.append(table)
            lines.extend(_lines(change))
        return "\n".join([*lines, f"{len(self.changes)} difference{'s' if len(self.changes) > 1 else ''}"])


def compare_domain(connection: Connection, domain: Domain) -> Diff:
    """What differs between `domain` and the database behind `connection`; raises as `declared_shapes`
    and `observe` do.
    """
    schemas = sorted({table.schema for table in domain.tables})
    return compare(declared_shapes(connection, domain), observe(connection, schemas))


def compare(declared: Sequence[TableShape], observed: Sequence[TableShape]) -> Diff:
    """What differs between the tables that are declared and the tables that are there."""
    wanted = {(table.schema, table.name): table for table in declared}
    present = {(table.schema, table.name): table for table in observed}
    changes: list[Change] = []
    for key in sorted({*wanted, *present}):
        changes.extend(_table(wanted.get(key), present.get(key)))
    return Diff(changes=tuple(changes))


def _table(wanted: TableShape | None, present: TableShape | None) -> Iterator[Change]:
    if present is None:
        if wanted is not None:
            yield _change(wanted, ChangeKind.MISSING, ObjectType.TABLE, wanted.name, _summary(wanted), None)
        return
    if wanted is None:
        yield _change(present, ChangeKind.EXTRA, ObjectType.TABLE, present.name, None, _summary(present))
        return
    yield from _property(wanted, ObjectType.PARTITION_KEY, wanted.name, wanted.partition_key, present.partition_key)
    yield from _columns(wanted, present)
    theirs = definitions(present)
    for word, ours in definitions(wanted).items():
        yield from _objects(wanted, ObjectType(word), ours, theirs[word])
    yield from _property(wanted, ObjectType.TABLE_COMMENT, wanted.name, wanted.comment, present.comment)


def _summary(table: TableShape) -> str:
    counts = (
        ("column", "columns", table.columns),
        ("index", "indexes", table.indexes),
        ("partition", "partitions", table.partitions),
    )
    parts = [f"{len(items)} {one if len(items) == 1 else many}" for one, many, items in counts if items]
    return f"a table with {', '.join(parts)}"


def _columns(wanted: TableShape, present: TableShape) -> Iterator[Change]:
    theirs = {column.name: column for column in present.columns}
    for column in wanted.columns:
        other = theirs.pop(column.name, None)
        if other is None:
            yield _change(wanted, ChangeKind.MISSING, ObjectType.COLUMN, column.name, _column_text(column), None)
        else:
            yield from _column(wanted, column, other)
    for column in theirs.values():
        yield _change(wanted, ChangeKind.EXTRA, ObjectType.COLUMN, column.name, None, _column_text(column))


def _column(table: TableShape, wanted: ColumnShape, present: ColumnShape) -> Iterator[Change]:
    compared = (
        (ObjectType.COLUMN_TYPE, wanted.type, present.type),
        (ObjectType.COLUMN_NULLABILITY, _nullability(wanted), _nullability(present)),
        (ObjectType.COLUMN_DEFAULT, wanted.default, present.default),
        (ObjectType.COLUMN_IDENTITY, wanted.identity, present.identity),
        (ObjectType.COLUMN_GENERATED, wanted.generated, present.generated),
        (ObjectType.COLUMN_COMMENT, wanted.comment, present.comment),
    )
    for object_type, declared, observed in compared:
        yield from _property(table, object_type, wanted.name, declared, observed)


def _nullability(column: ColumnShape) -> str:
    return "NULL" if column.nullable else "NOT NULL"


def _column_text(column: ColumnShape) -> str:
    parts = [column.type, "" if column.nullable else "NOT NULL"]
    parts.append(f"DEFAULT {column.default}" if column.default is not None else "")
    parts.append(f"GENERATED {column.identity.upper()} AS IDENTITY" if column.identity else "")
    parts.append(f"GENERATED ALWAYS AS ({column.generated}) STORED" if column.generated is not None else "")
    return " ".join(part for part in parts if part)


def _property(
    table: TableShape, object_type: ObjectType, name: str, declared: str | None, observed: str | None
) -> Iterator[Change]:
    if declared == observed:
        return
    kind = ChangeKind.CHANGED
    if declared is None or observed is None:
        kind = ChangeKind.MISSING if observed is None else ChangeKind.EXTRA
    yield _change(table, kind, object_type, name, declared, observed)


def _objects(
    table: TableShape, object_type: ObjectType, ours: Sequence[Definition], theirs: Sequence[Definition]
) -> Iterator[Change]:
    """Objects of one kind: paired by name first, then what is left by equal definition."""
    by_name = {item.name: item for item in theirs}
    unpaired: list[Definition] = []
    for item in ours:
        other = by_name.pop(item.name, None)
        if other is None:
            unpaired.append(item)
        elif other.text != item.text:
            yield _change(table, ChangeKind.CHANGED, object_type, item.name, item.text, other.text)
    for item in unpaired:
        other = next((candidate for candidate in by_name.values() if candidate.text == item.text), None)
        if other is None:
            yield _change(table, ChangeKind.MISSING, object_type, item.name, item.text, None)
        else:
            del by_name[other.name]
            yield _change(table, ChangeKind.RENAMED, object_type, item.name, item.name, other.name)
    for other in by_name.values():
        yield _change(table, ChangeKind.EXTRA, object_type, other.name, None, other.text)


def _change(
    table: TableShape, kind: ChangeKind, object_type: ObjectType, name: str, declared: str | None, observed: str | None
) -> Change:
    return Change(
        kind=kind,
        schema=table.schema,
        table=table.name,
        object_type=object_type,
        name=name,
        declared=declared,
        observed=observed,
    )


def _lines(change: Change) -> Iterator[str]:
    sign = {ChangeKind.MISSING: "+", ChangeKind.EXTRA: "-"}.get(change.kind, "~")
    label = f"  {sign} {change.object_type} {change.name}"
    if change.kind is ChangeKind.RENAMED:
        yield f"{label}: is called {change.observed} in the database"
        return
    word = {
        ChangeKind.MISSING: "declared, missing in the database",
        ChangeKind.EXTRA: "in the database, not declared",
        ChangeKind.CHANGED: "differs",
    }[change.kind]
    yield f"{label}: {word}"
    if change.declared is not None:
        yield f"      declared {change.declared}"
    if change.observed is not None:
        yield f"      observed {change.observed}"
