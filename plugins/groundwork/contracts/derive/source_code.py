"""Contract → Python source of SQLAlchemy tables, for code that wants them without Groundwork.

The module it prints imports SQLAlchemy only and defines `metadata`, with the same tables as
`groundwork.contracts.derive.metadata`: executed, it gives the same DDL. Every name and expression goes into it as the
literal that Python's own `repr` writes, so nothing in a contract can become code.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DefaultClause,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import dialect
from groundwork.contracts.derive.metadata import metadata

_HEAD = '''"""Tables of the domain {name}, made from its contracts: change the contracts instead."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType


class Written(UserDefinedType):
    """A type of PostgreSQL that SQLAlchemy has no class for, by its name."""

    cache_ok = True

    def __init__(self, name):
        self.name = name

    def get_col_spec(self, **_):
        """The type's name as SQL."""
        return self.name


metadata = MetaData()
'''
_SHOWN_ARGUMENTS = (  # of types: the attribute and the argument it is given by
    ("length", "length"),
    ("precision", "precision"),
    ("scale", "scale"),
    ("timezone", "timezone"),
    ("fields", "fields"),
    ("collation", "collation"),
    ("collation_schema", "collation_schema"),
    ("varying", "varying"),
)


def source_code(domain: Domain, only: Sequence[str] = ()) -> str:
    """The text of the module; `only` are qualified names of the tables wanted, with those that they refer to.

    Raises: ConfigError as `groundwork.contracts.derive.metadata.metadata` does.
    """
    built = metadata(domain)
    tables = [built.tables[table.qualified_name] for table in domain.tables]
    wanted = _with_targets(built, only) if only else {str(table.key) for table in tables}
    chosen = [table for table in tables if table.key in wanted]
    names = _variable_names(chosen)
    parts = [_HEAD.replace("{name}", repr(domain.name)[1:-1].replace('"', "'").replace("\\", "/"))]
    parts += [_table(table, names[str(table.key)]) for table in chosen]
    parts += [_index(index, names[str(table.key)]) for table in chosen for index in _ordered(table.indexes)]
    parts += [_foreign_key(key, names) for table in chosen for key in _ordered(table.foreign_key_constraints)]
    return "\n".join(parts)


def _with_targets(built: MetaData, only: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(only)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [str(each.referred_table.key) for each in built.tables[key].foreign_key_constraints]
    return found


def _variable_names(tables: Sequence[Table]) -> dict[str, str]:
    """A variable for each table: its name where Python allows it and no other has it."""
    taken = {"metadata", "postgresql", "Written", "Table", "Column", "MetaData"}
    found = {}
    for number, table in enumerate(tables, 1):
        name = table.name
        is_usable = name.isidentifier() and name.isascii() and name.islower() and not keyword.iskeyword(name)
        if not is_usable or name in taken:
            name = f"table_{number}"
        taken.add(name)
        found[str(table.key)] = name
    return found


def _ordered(items: Any) -> list[Any]:
    return sorted(items, key=lambda each: str(each.name))


def _call(function: str, arguments: Sequence[object], **named: object) -> str:
    shown = [str(each) for each in arguments]
    shown += [f"{name}={value!r}" for name, value in named.items() if value is not None]
    return f"{function}({', '.join(shown)})"


def _table(table: Table, variable: str) -> str:
    lines = [repr(table.name), "metadata"]
    lines += [_column(column) for column in table.columns]
    lines += [_constraint(each) for each in _constraints(table)]
    lines += [f"schema={table.schema!r}"]
    lines += [f"comment={table.comment!r}"] if table.comment else []
    partition_by = table.dialect_options["postgresql"]["partition_by"]
    lines += [f"postgresql_partition_by={partition_by!r}"] if partition_by else []
    body = ",\n    ".join(lines)
    return f"\n{variable} = Table(\n    {body},\n)"


def _constraints(table: Table) -> Iterator[Any]:
    if table.primary_key.columns:
        yield table.primary_key
    declared = sorted(table.constraints, key=lambda each: each._creation_order)  # SQLAlchemy's own order in DDL
    yield from (each for each in declared if type(each) in (UniqueConstraint, CheckConstraint))


def _column(column: Column[Any]) -> str:
    arguments = [repr(column.name), _type(column.type)]
    if column.computed is not None:
        arguments.append(_call("Computed", [_expression(column.computed.sqltext)], persisted=column.computed.persisted))
    if column.identity is not None:
        numbering = {name: getattr(column.identity, name, None) for name in _IDENTITY}
        arguments.append(_call("Identity", [], **numbering))
    if isinstance(column.server_default, DefaultClause):
        arguments.append(f"server_default={_expression(column.server_default.arg)}")
    options = {"nullable": column.nullable, "comment": column.comment, "autoincrement": column.autoincrement}
    return _call("Column", arguments, **options)


_IDENTITY = ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")


def _constraint(each: Any) -> str:
    options = each.dialect_options["postgresql"]
    shared = {
        "name": str(each.name) if each.name else None,
        "deferrable": each.deferrable,
        "initially": each.initially,
    }
    if isinstance(each, CheckConstraint):
        return _call("CheckConstraint", [_expression(each.sqltext)], **shared)
    names = [repr(column.name) for column in each.columns]
    extra = {"postgresql_include": options["include"]}
    if isinstance(each, PrimaryKeyConstraint):
        return _call("PrimaryKeyConstraint", names, **shared, **extra)
    extra["postgresql_nulls_not_distinct"] = options["nulls_not_distinct"]
    return _call("UniqueConstraint", names, **shared, **extra)


def _index(index: Index, variable: str) -> str:
    options = index.dialect_options["postgresql"]
    keys = [_index_key(key, variable) for key in index.expressions]
    where = options["where"]
    arguments = [repr(index.name), *keys, f"_table={variable}"]
    if where is not None:
        arguments.append(f"postgresql_where={_expression(where)}")
    return "\n" + _call(
        "Index",
        arguments,
        unique=index.unique or None,
        postgresql_using=options["using"] or None,
        postgresql_include=options["include"],
        postgresql_nulls_not_distinct=options["nulls_not_distinct"],
    )


def _index_key(key: Any, variable: str) -> str:
    return f"{variable}.c[{key.name!r}]" if isinstance(key, Column) else _expression(key)


def _foreign_key(key: ForeignKeyConstraint, names: dict[str, str]) -> str:
    target = names[str(key.referred_table.key)]
    made = _call(
        "ForeignKeyConstraint",
        [
            [str(column.name) for column in key.columns],
            f"[{', '.join(f'{target}.c[{element.column.name!r}]' for element in key.elements)}]",
        ],
        name=str(key.name) if key.name else None,
        ondelete=key.ondelete,
        onupdate=key.onupdate,
        match=key.match,
        deferrable=key.deferrable,
        initially=key.initially,
    )
    return f"\n{names[str(key.parent.key)]}.append_constraint(\n    {made}\n)"


def _expression(clause: Any) -> str:
    """A literal column of the metadata by its own text; a plain column by its name in SQL."""
    return f"literal_column({str(getattr(clause, 'name', None) or clause)!r})"


def _type(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, postgresql.ARRAY):
        return f"postgresql.ARRAY({_type(kind.item_type)})"
    if isinstance(kind, postgresql.ENUM):
        values = [repr(str(value)) for value in kind.enums]
        return _call("postgresql.ENUM", values, name=kind.name, schema=kind.schema, create_type=False)
    name = type(kind).__name__
    if getattr(postgresql, name, None) is not type(kind):
        return f"Written({_written(kind)!r})"
    found = {word: getattr(kind, attribute, None) for attribute, word in _SHOWN_ARGUMENTS}
    return _call(f"postgresql.{name}", [], **{word: value or None for word, value in found.items()})


def _written(kind: TypeEngine[Any]) -> str:
    """The type as it stands in CREATE TABLE; a serial one is told from its integer only there."""
    made = Column("it", kind)
    text = str(kind.compile(dialect=dialect()))
    return str(dialect().type_compiler_instance.process(kind, type_expression=made)) or text
