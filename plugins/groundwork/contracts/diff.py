"""Declared against observed, exact in both directions.

A change says what would have to be done to the database to make it what the contract declares: `missing` is declared
and not there, `extra` is there and not declared, `changed` is there and different, `renamed` is there under another
name. Tables, columns, constraints, indexes, partitions, enum types and sequences are compared; the order of columns,
the name of a NOT NULL constraint or of a sequence that a column owns, and where a sequence began carry no meaning and
are not. What no contract can declare is listed as not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from groundwork.catalog.postgres import observe_schemas
from groundwork.contracts.contract import Domain
from groundwork.contracts.declared import declared_schemas
from groundwork.contracts.definition import (
    Definition,
    definitions,
    enum_type_text,
    identity_text,
    sequence_text,
)
from groundwork.model.shape import (
    ColumnShape,
    EnumTypeShape,
    SchemaShape,
    SequenceShape,
    TableShape,
    UnsupportedShape,
)

_VIRTUAL = " VIRTUAL"  # as the catalog marks a generated column that is not stored


class ChangeKind(StrEnum):
    """How the database differs from the contract."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    RENAMED = "renamed"


class ObjectType(StrEnum):
    """What differs; a column that exists on both sides is compared property by property."""

    ENUM_TYPE = "enum type"
    ENUM_TYPE_COMMENT = "enum type comment"
    SEQUENCE = "sequence"
    SEQUENCE_COMMENT = "sequence comment"
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
    GRANT = "grant"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference.

    `declared` and `observed` are SQL text of the definition, null where there is none; of a `renamed` object they are
    the two names. `name` is the declared name, or the observed one of something extra; of a property, its column's.
    What belongs to no table (an enum type, a sequence) has its own name as `table`.
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
        """`schema.table`, the schema alone for a grant on it; for people, never for SQL."""
        return f"{self.schema}.{self.table}" if self.table else self.schema


@dataclass(frozen=True, kw_only=True)
class Diff:
    """All differences, in order of schema and table; `not_compared` is in the database and beyond any contract."""

    changes: tuple[Change, ...] = ()
    not_compared: tuple[UnsupportedShape, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether database and contracts agree."""
        return not self.changes

    def of_table(self, name: str, *, enum_types: Collection[str] | None = None) -> Diff:
        """The differences of one table, named with or without its schema, and of the enum types it may stand on.

        Those are the ones named in `enum_types` (as `schema.name`), else all of its schema that are not just extra.
        """
        changes = [change for change in self.changes if name in (change.table, change.qualified_table)]
        schemas = {change.schema for change in changes} | {name.rpartition(".")[0]}
        needed = [
            change
            for change in self.changes
            if change not in changes
            and change.object_type is ObjectType.ENUM_TYPE
            and change.kind is not ChangeKind.EXTRA
            and (change.schema in schemas if enum_types is None else change.qualified_table in enum_types)
        ]
        left = [item for item in self.not_compared if name in (item.table, f"{item.schema}.{item.table}")]
        return Diff(changes=(*needed, *changes), not_compared=tuple(left))

    def joined(self, *others: Diff) -> Diff:
        """These differences and those of `others`."""
        every = (self, *others)
        return Diff(
            changes=tuple(change for diff in every for change in diff.changes),
            not_compared=tuple(item for diff in every for item in diff.not_compared),
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: `is_empty`, `changes`, and `not_compared` where there is any."""
        found: dict[str, Any] = {"is_empty": self.is_empty, "changes": [asdict(change) for change in self.changes]}
        if self.not_compared:
            found["not_compared"] = [asdict(item) for item in self.not_compared]
        return found

    def to_text(self) -> str:
        """A form for people: by table, `+` declared but missing, `-` there but not declared, `~` different."""
        left = [f"not compared, since no contract can declare it: {item}" for item in self.not_compared]
        if self.is_empty:
            return "\n".join(["no differences: the database is what the contracts declare", *left])
        lines: list[str] = []
        table = None
        for change in sorted(self.changes, key=lambda change: (change.schema, change.table)):
            if change.qualified_table != table:
                table = change.qualified_table
                lines.append(table)
            lines.extend(_lines(change))
        return "\n".join([*lines, f"{len(self.changes)} difference{'s' if len(self.changes) > 1 else ''}", *left])


def compare_domain(connection: Connection, domain: Domain) -> Diff:
    """What differs between `domain` and the database behind `connection`; raises as `declared_schemas`
    and `observe_schemas` do.
    """
    return compare_schemas(declared_schemas(connection, domain), observe_schemas(connection, domain.schemas))


def compare_schemas(declared: SchemaShape, observed: SchemaShape) -> Diff:
    """What differs between all that is declared and all that is there, enum types and sequences first."""
    return Diff(
        changes=(
            *_enum_types(declared.enum_types, observed.enum_types),
            *_sequences(declared.sequences, observed.sequences),
            *compare(declared.tables, observed.tables).changes,
        ),
        not_compared=observed.unsupported,
    )


def compare(declared: Sequence[TableShape], observed: Sequence[TableShape]) -> Diff:
    """What differs between the tables that are declared and the tables that are there."""
    wanted = {(table.schema, table.name): table for table in declared}
    present = {(table.schema, table.name): table for table in observed}
    changes: list[Change] = []
    for key in sorted({*wanted, *present}):
        changes.extend(_table(wanted.get(key), present.get(key)))
    return Diff(changes=tuple(changes))


def _enum_types(declared: Sequence[EnumTypeShape], observed: Sequence[EnumTypeShape]) -> Iterator[Change]:
    wanted = {(each.schema, each.name): (enum_type_text(each), each.comment) for each in declared}
    present = {(each.schema, each.name): (enum_type_text(each), each.comment) for each in observed}
    yield from _named(wanted, present, ObjectType.ENUM_TYPE, ObjectType.ENUM_TYPE_COMMENT)


def _sequences(declared: Sequence[SequenceShape], observed: Sequence[SequenceShape]) -> Iterator[Change]:
    def text(each: SequenceShape) -> str:
        return f"SEQUENCE {sequence_text(each)}".rstrip()

    wanted = {(each.schema, each.name): (text(each), each.comment) for each in declared}
    present = {(each.schema, each.name): (text(each), each.comment) for each in observed}
    yield from _named(wanted, present, ObjectType.SEQUENCE, ObjectType.SEQUENCE_COMMENT)


_Named = Mapping[tuple[str, str], tuple[str, str | None]]  # text and comment by schema and name


def _named(wanted: _Named, present: _Named, object_type: ObjectType, comment_type: ObjectType) -> Iterator[Change]:
    """Objects that belong to no table, paired by name."""
    for schema, name in sorted({*wanted, *present}):
        text, comment = wanted.get((schema, name), (None, None))
        other, other_comment = present.get((schema, name), (None, None))
        place = TableShape(schema=schema, name=name, columns=())
        yield from _property(place, object_type, name, text, other)
        if text is not None and other is not None:
            yield from _property(place, comment_type, name, comment, other_comment)


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
            yield _change(wanted, ChangeKind.MISSING, ObjectType.COLUMN, column.name, column_text(column), None)
        else:
            yield from _column(wanted, column, other)
    for column in theirs.values():
        yield _change(wanted, ChangeKind.EXTRA, ObjectType.COLUMN, column.name, None, column_text(column))


def _column(table: TableShape, wanted: ColumnShape, present: ColumnShape) -> Iterator[Change]:
    compared = (
        (ObjectType.COLUMN_TYPE, wanted.type, present.type),
        (ObjectType.COLUMN_NULLABILITY, _nullability(wanted), _nullability(present)),
        (ObjectType.COLUMN_DEFAULT, wanted.default, present.default),
        (ObjectType.COLUMN_IDENTITY, identity_text(wanted), identity_text(present)),
        (ObjectType.COLUMN_GENERATED, wanted.generated, present.generated),
        (ObjectType.COLUMN_COMMENT, wanted.comment, present.comment),
    )
    for object_type, declared, observed in compared:
        yield from _property(table, object_type, wanted.name, declared, observed)


def _nullability(column: ColumnShape) -> str:
    return "NULL" if column.nullable else "NOT NULL"


def column_text(column: ColumnShape) -> str:
    """A column's type, nullability, default and generation as SQL; `SERIAL` stands for a default it counts up."""
    parts = [column.type, "" if column.nullable else "NOT NULL"]
    parts.append(f"DEFAULT {column.default}" if column.default is not None else "")
    parts.append(_identity(column))
    if column.generated is not None:
        virtual = column.generated.endswith(_VIRTUAL)
        kind = "VIRTUAL" if virtual else "STORED"
        parts.append(f"GENERATED ALWAYS AS ({column.generated.removesuffix(_VIRTUAL)}) {kind}")
    return " ".join(part for part in parts if part)


def _identity(column: ColumnShape) -> str:
    if column.identity in (None, "serial"):
        return "SERIAL" if column.identity else ""
    options = sequence_text(column.sequence, column.type) if column.sequence else ""
    return f"GENERATED {str(column.identity).upper()} AS IDENTITY{f' ({options})' if options else ''}"


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
