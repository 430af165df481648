"""Statements that make again what the database has now, from the server's own texts: the way back from a change.

Every text comes from the catalogs of the server that is going to run it; names are quoted by the driver.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from groundwork.change import wording
from groundwork.contracts.definition import Definition, definitions
from groundwork.contracts.derive.ddl import comment_statement
from groundwork.contracts.diff import column_text
from groundwork.model.shape import ColumnShape, TableShape

_SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}
_NOT_VALID = " NOT VALID"
CONSTRAINTS = ("primary key", "unique key", "check", "foreign key")


def index(schema: str, table: str, name: str, definition: str, *, is_concurrent: bool = True) -> str:
    """CREATE INDEX from the text in which indexes are compared."""
    text = definition.removesuffix(" INVALID")
    is_unique = text.startswith("UNIQUE ")
    return (
        sql.SQL("CREATE {}INDEX {}{} ON {} {}")
        .format(
            sql.SQL("UNIQUE ") if is_unique else sql.SQL(""),
            sql.SQL("CONCURRENTLY ") if is_concurrent else sql.SQL(""),
            sql.Identifier(name),
            sql.Identifier(schema, table),
            wording.trusted(text.removeprefix("UNIQUE ")),
        )
        .as_string()
    )


def constraint(schema: str, table: str, name: str, definition: str) -> tuple[str, ...]:
    """ADD CONSTRAINT from the text in which constraints are compared; checked beside the traffic where that can be."""
    can_wait = definition.startswith(("CHECK ", "FOREIGN KEY ")) and " NOT ENFORCED" not in definition
    text = definition if not can_wait or definition.endswith(_NOT_VALID) else definition + _NOT_VALID
    action = sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(name), wording.trusted(text))
    added = wording.alter_table(schema, table, action)
    if not can_wait or definition.endswith(_NOT_VALID):
        return (added,)
    return (added, wording.validate_constraint(schema, table, name))


def column(table: TableShape, shape: ColumnShape) -> tuple[str, ...]:
    """ADD COLUMN with its comment."""
    action = sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(shape.name), wording.trusted(_typed(shape)))
    added = wording.alter_table(table.schema, table.name, action)
    comment = comment_statement(table.schema, table.name, shape.name, shape.comment) if shape.comment else None
    return (added, comment) if comment else (added,)


def dependents(table: TableShape, name: str) -> tuple[str, ...]:
    """What goes with a column when it is dropped: constraints and indexes of the table that name it."""
    return tuple(
        statement
        for kind, items in definitions(table).items()
        for item in items
        if kind != "partition" and wording.names_column(item.text, name)
        for statement in _object(table, kind, item, is_concurrent=False)
    )


def made_table(table: TableShape) -> tuple[str, ...]:
    """Everything that makes an empty table of this shape but its foreign keys."""
    return tuple(_table(table))


def foreign_keys(table: TableShape) -> tuple[str, ...]:
    """The table's foreign keys."""
    return tuple(
        statement
        for item in definitions(table)["foreign key"]
        for statement in constraint(table.schema, table.name, item.name, item.text)
    )


def _table(table: TableShape) -> Iterator[str]:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(each.name), wording.trusted(_typed(each))) for each in table.columns
    ]
    partitioned = f" PARTITION BY {table.partition_key}" if table.partition_key else ""
    yield (
        sql.SQL("CREATE TABLE {} ({}){}")
        .format(sql.Identifier(table.schema, table.name), sql.SQL(", ").join(columns), wording.trusted(partitioned))
        .as_string()
    )
    for partition in table.partitions:
        yield partition_of(table.schema, table.name, partition.name, partition.bounds)
    for kind, items in definitions(table).items():
        if kind not in ("partition", "foreign key"):
            for item in items:
                yield from _object(table, kind, item, is_concurrent=False)
    described = [(None, table.comment), *((each.name, each.comment) for each in table.columns)]
    for name, comment in described:
        if comment:
            yield comment_statement(table.schema, table.name, name, comment)


def partition_of(schema: str, table: str, name: str, bounds: str) -> str:
    """CREATE TABLE … PARTITION OF with the server's text of the bounds."""
    return (
        sql.SQL("CREATE TABLE {} PARTITION OF {} {}")
        .format(sql.Identifier(schema, name), sql.Identifier(schema, table), wording.trusted(bounds))
        .as_string()
    )


def _object(table: TableShape, kind: str, item: Definition, *, is_concurrent: bool) -> tuple[str, ...]:
    if kind == "index":
        return (index(table.schema, table.name, item.name, item.text, is_concurrent=is_concurrent),)
    return constraint(table.schema, table.name, item.name, item.text)


def _typed(shape: ColumnShape) -> str:
    if shape.identity == "serial":
        return f"{_SERIAL[shape.type]}{'' if shape.nullable else ' NOT NULL'}"
    return column_text(shape)
