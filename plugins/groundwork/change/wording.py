"""The statements that stages are made of: identifiers quoted by the driver, definitions taken from derived DDL."""

from __future__ import annotations

import hashlib
import re
from typing import Any, LiteralString, cast

from psycopg import sql
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Table
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex

from groundwork.contracts.derive.ddl import dialect, render
from groundwork.contracts.derive.metadata import quote

SCAFFOLD = "_groundwork_new"  # suffix of what a replacement is called until it takes its place
NOT_NULL_SCAFFOLD = "groundwork_not_null_"  # prefix of the check that proves a column free of nulls
_LONGEST_NAME = 63  # bytes that PostgreSQL keeps of an identifier


def alter_table(schema: str, table: str, action: sql.Composable) -> str:
    """ALTER TABLE with one action."""
    return sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, table), action).as_string()


def alter_column(schema: str, table: str, column: str, action: sql.Composable) -> str:
    """ALTER TABLE … ALTER COLUMN with one action."""
    return alter_table(schema, table, sql.SQL("ALTER COLUMN {} {}").format(sql.Identifier(column), action))


def add_column(schema: str, table: str, column: Column[Any]) -> str:
    """ADD COLUMN with type, default and nullability."""
    return alter_table(schema, table, sql.SQL("ADD COLUMN {}").format(trusted(render(CreateColumn(column)))))


def set_default(schema: str, table: str, column: Column[Any]) -> str:
    """SET DEFAULT to what the contract declares, or DROP DEFAULT."""
    if column.server_default is None:
        return alter_column(schema, table, column.name, sql.SQL("DROP DEFAULT"))
    expression = str(column.server_default.arg)  # type: ignore[attr-defined]  # a parsed literal column, by derivation
    return alter_column(schema, table, column.name, sql.SQL("SET DEFAULT {}").format(trusted(expression)))


def type_text(column: Column[Any]) -> LiteralString:
    """The column's declared type as SQL."""
    text: Any = column.type.compile(dialect=dialect())
    return cast("LiteralString", text)


def type_action(text: LiteralString) -> sql.Composable:
    """TYPE, for ALTER COLUMN."""
    return sql.SQL("TYPE {}").format(sql.SQL(text))


def default_action(text: str) -> sql.Composable:
    """SET DEFAULT with an expression that the server gave as the present one."""
    return sql.SQL("SET DEFAULT {}").format(trusted(text))


def add_constraint(
    constraint: CheckConstraint | ForeignKeyConstraint, *, is_validated: bool, name: str | None = None
) -> str:
    """ADD CONSTRAINT of a derived check or foreign key, under `name` when it is given."""
    table = constraint.table
    head = f"ALTER TABLE {_qualified(table)} ADD CONSTRAINT {quote(str(constraint.name))} "
    definition = render(AddConstraint(constraint, isolate_from_table=False)).removeprefix(head)
    action = sql.SQL("ADD CONSTRAINT {} {}{}").format(
        sql.Identifier(name or str(constraint.name)),
        trusted(definition),
        sql.SQL("") if is_validated else sql.SQL(" NOT VALID"),
    )
    return alter_table(str(table.schema), table.name, action)


def drop_constraint(schema: str, table: str, name: str) -> str:
    """DROP CONSTRAINT, if there is one."""
    return alter_table(schema, table, sql.SQL("DROP CONSTRAINT IF EXISTS {}").format(sql.Identifier(name)))


def validate_constraint(schema: str, table: str, name: str) -> str:
    """VALIDATE CONSTRAINT."""
    return alter_table(schema, table, sql.SQL("VALIDATE CONSTRAINT {}").format(sql.Identifier(name)))


def rename_constraint(schema: str, table: str, old: str, new: str) -> str:
    """RENAME CONSTRAINT."""
    names = (sql.Identifier(old), sql.Identifier(new))
    return alter_table(schema, table, sql.SQL("RENAME CONSTRAINT {} TO {}").format(*names))


def constraint_from_index(schema: str, table: str, name: str, definition: str) -> str:
    """ADD CONSTRAINT … USING INDEX of the same name, for the text in which keys are compared."""
    return alter_table(schema, table, _key_from_index(name, name, definition))


def exchange_key(schema: str, table: str, name: str, index: str, definition: str) -> str:
    """One statement in which the key `name` goes and another one, of a finished `index`, takes its place."""
    drop = sql.SQL("DROP CONSTRAINT IF EXISTS {}, ").format(sql.Identifier(name))
    return alter_table(schema, table, sql.Composed([drop, _key_from_index(name, index, definition)]))


def unique_index(schema: str, table: str, name: str, definition: str) -> str:
    """CREATE UNIQUE INDEX CONCURRENTLY for a key, from the text in which keys are compared."""
    columns, _ = _key_text(definition)
    return (
        sql.SQL("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {}")
        .format(sql.Identifier(name), sql.Identifier(schema, table), trusted(columns))
        .as_string()
    )


def _key_from_index(name: str, index: str, definition: str) -> sql.Composed:
    _, deferral = _key_text(definition)
    words = sql.SQL("PRIMARY KEY") if definition.startswith("PRIMARY KEY") else sql.SQL("UNIQUE")
    return sql.SQL("ADD CONSTRAINT {} {} USING INDEX {}{}").format(
        sql.Identifier(name), words, sql.Identifier(index), trusted(deferral)
    )


def _key_text(definition: str) -> tuple[str, str]:
    """What a key's text says for its index (columns and what follows), and when the key is checked."""
    text = definition.removeprefix("PRIMARY KEY ").removeprefix("UNIQUE ")
    distinct = " NULLS NOT DISTINCT" if text.startswith("NULLS NOT DISTINCT ") else ""
    text = text.removeprefix("NULLS NOT DISTINCT ")
    place = text.find(" DEFERRABLE")
    return (text + distinct, "") if place < 0 else (text[:place] + distinct, text[place:])


def create_index(
    index: Index, *, name: str, table: str, is_concurrent: bool = True, is_only_parent: bool = False
) -> str:
    """CREATE INDEX of a derived index, under `name`, on `table` of its schema (a partition, when one is named)."""
    parent = index.table
    if parent is None:
        raise ValueError(f"the index {index.name} belongs to no table")
    unique = "UNIQUE " if index.unique else ""
    head = f"CREATE {unique}INDEX {quote(str(index.name))} ON {_qualified(parent)} "
    return (
        sql.SQL("CREATE {}INDEX {}{} ON {}{} {}")
        .format(
            sql.SQL("UNIQUE ") if index.unique else sql.SQL(""),
            sql.SQL("CONCURRENTLY ") if is_concurrent else sql.SQL(""),
            sql.Identifier(name),
            sql.SQL("ONLY ") if is_only_parent else sql.SQL(""),
            sql.Identifier(str(parent.schema), table),
            trusted(render(CreateIndex(index)).removeprefix(head)),
        )
        .as_string()
    )


def drop_index(schema: str, name: str, *, is_concurrent: bool = True) -> str:
    """DROP INDEX, if there is one."""
    word = sql.SQL("CONCURRENTLY ") if is_concurrent else sql.SQL("")
    return sql.SQL("DROP INDEX {}IF EXISTS {}").format(word, sql.Identifier(schema, name)).as_string()


def rename_index(schema: str, old: str, new: str) -> str:
    """ALTER INDEX … RENAME."""
    return sql.SQL("ALTER INDEX {} RENAME TO {}").format(sql.Identifier(schema, old), sql.Identifier(new)).as_string()


def attach_index(schema: str, parent: str, child: str) -> str:
    """ALTER INDEX … ATTACH PARTITION."""
    names = (sql.Identifier(schema, parent), sql.Identifier(schema, child))
    return sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(*names).as_string()


def scaffold_name(name: str) -> str:
    """What a replacement of `name` is called until it takes its place."""
    return shortened(f"{name}{SCAFFOLD}", suffix=SCAFFOLD)


def shortened(name: str, *, suffix: str = "") -> str:
    """`name` within PostgreSQL's limit: a digest takes the place of what is too long, `suffix` stays."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    room = _LONGEST_NAME - len(digest) - len(suffix.encode()) - 1
    return f"{name.encode()[:room].decode(errors='ignore')}_{digest}{suffix}"


def _qualified(table: Table) -> str:
    return f"{quote(str(table.schema))}.{quote(table.name)}"


def names_column(definition: str, column: str) -> bool:
    """Whether the server's text of a constraint or index names `column` (as a whole word, quoted or not)."""
    return re.search(rf'(?<![\w"]){re.escape(quote(column))}(?![\w"])', definition) is not None


def trusted(text: str) -> sql.SQL:
    """`text` that our own derivation made (every fragment in it was parsed) or the server gave, as a part of SQL."""
    return sql.SQL(text)
