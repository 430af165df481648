"""Contract → SQLAlchemy metadata: the form that DDL, repositories and loads are made from.

Names that the contract leaves out follow PostgreSQL's own habit (`<table>_pkey`, `<table>_<columns>_fkey`,
`<table>_<column>_check`), so that a table made by hand from the same contract compares equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnClause,
    ColumnElement,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    literal,
    literal_column,
)
from sqlalchemy.dialects import postgresql

from groundwork.contracts.contract import (
    ColumnContract,
    ConstraintContract,
    Domain,
    IndexContract,
    IndexKey,
    PartitioningContract,
    RelationshipContract,
    TableContract,
)
from groundwork.contracts.derive.names import joined_columns, object_name
from groundwork.contracts.derive.partitions import STRATEGIES
from groundwork.contracts.derive.sequences import whole_number
from groundwork.contracts.derive.types import column_type, sql_type
from groundwork.contracts.fragment import parse_expression
from groundwork.contracts.relocation import Objects, relocated_expression
from groundwork.model.errors import ConfigError

__all__ = [
    "column_type",
    "expression",
    "foreign_key_name",
    "metadata",
    "own_objects",
    "primary_key",
    "quote",
    "sql_type",
]
_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
_OPERATOR_CLASS = re.compile(r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")


def metadata(domain: Domain) -> MetaData:
    """SQLAlchemy metadata with every table of the domain, keyed `schema.name`.

    Partitions themselves are not tables here: `groundwork.contracts.derive.partitions` names them.
    Raises: ConfigError for a physical type nobody knows or a relationship whose target is not declared.
    """
    found = MetaData()
    own = own_objects(domain)
    for table in domain.tables:
        _table(table, found, own)
    for table in domain.tables:  # all tables first: they may refer to one another in any order
        for key in _foreign_keys(table, domain, found):
            found.tables[table.qualified_name].append_constraint(key)
    return found


def own_objects(domain: Domain, moved: Mapping[str, str] | None = None) -> Objects:
    """The domain's enum types and sequences for expressions that name them without a schema.

    With `moved` (a schema and the schema it is now declared in) those with a schema as well.
    """
    found: dict[tuple[str | None, str], str] = {}
    named = [(item.schema, item.name) for item in domain.enum_types]
    named += [(item.schema, item.name) for item in domain.sequences]
    for schema, name in named:
        target = (moved or {}).get(schema, schema)
        found.setdefault((None, name), target)
        if moved:
            found[schema, name] = target
    return found


def _table(table: TableContract, target: MetaData, own: Objects) -> Table:
    constraints: list[Any] = []
    if table.primary_key:
        constraints.append(primary_key(table))
    constraints += [_unique_key(key) for key in table.unique_keys]
    constraints += [CheckConstraint(expression(check.condition or "", own), name=check.name) for check in table.checks]
    constraints += [_allowed_values(table, column) for column in table.columns if column.allowed_values]
    options: dict[str, Any] = {}
    if table.partitioning:
        keys = ", ".join(quote(column) for column in table.partitioning.columns)
        options["postgresql_partition_by"] = f"{_strategy(table.partitioning)} ({keys})"
    columns = [_column(column, own) for column in table.columns]
    built = Table(table.name, target, *columns, *constraints, schema=table.schema, comment=table.description, **options)
    for index in table.indexes:
        _index(index, built, own)
    return built


def _column(column: ColumnContract, own: Objects) -> Column[Any]:
    extras: list[Any] = []
    if column.generated is not None:
        extras.append(Computed(expression(column.generated, own), persisted=column.generated_kind != "virtual"))
    if column.identity in ("always", "by default"):
        extras.append(Identity(always=column.identity == "always", **_numbering(column)))
    elif column.identity not in (None, "serial"):
        raise ConfigError(
            "this kind of identity is not known",
            where=column.name,
            expected="always, by default or serial",
            found=column.identity,
        )
    default = expression(column.default, own) if column.default is not None else None
    return Column(
        column.name,
        sql_type(column),
        *extras,
        nullable=not column.is_required,
        server_default=default,
        comment=column.description,
        autoincrement="auto" if column.identity else False,
    )


def _numbering(column: ColumnContract) -> dict[str, Any]:
    names = {"start": "start", "increment": "increment", "minimum": "minvalue", "maximum": "maxvalue", "cache": "cache"}
    options = column.sequence or {}
    found: dict[str, Any] = {
        word: whole_number(options[name], column.name) for name, word in names.items() if name in options
    }
    return found | ({"cycle": True} if options.get("cycle") else {})


def primary_key(table: TableContract) -> PrimaryKeyConstraint:
    """The table's primary key under its declared name, else the one PostgreSQL would give it."""
    return PrimaryKeyConstraint(
        *table.primary_key,
        name=table.primary_key_name or object_name(table.name, None, "pkey"),
        postgresql_include=list(table.primary_key_include) or None,
        **_deferral(table.primary_key_deferrable),
    )


def _unique_key(key: ConstraintContract) -> UniqueConstraint:
    return UniqueConstraint(
        *key.columns,
        name=key.name,
        postgresql_include=list(key.include) or None,
        postgresql_nulls_not_distinct=key.nulls_not_distinct or None,
        **_deferral(key.deferrable),
    )


def _deferral(word: str | None) -> dict[str, Any]:
    return {"deferrable": True, "initially": word.split()[-1].upper()} if word else {}


def _allowed_values(table: TableContract, column: ColumnContract) -> CheckConstraint:
    values = ", ".join(
        str(literal(value).compile(compile_kwargs={"literal_binds": True})) for value in column.allowed_values
    )
    condition: ColumnClause[Any] = literal_column(f"{quote(column.name)} IN ({values})")
    return CheckConstraint(condition, name=object_name(table.name, column.name, "check"))


def _foreign_keys(table: TableContract, domain: Domain, built: MetaData) -> list[ForeignKeyConstraint]:
    found = []
    for relationship in table.relationships:
        target = domain.table(relationship.target_table)
        names = [target.column(column).name for column in relationship.target_columns]
        found.append(
            ForeignKeyConstraint(
                relationship.columns,
                [built.tables[target.qualified_name].c[name] for name in names],
                name=foreign_key_name(table, relationship),
                ondelete=_action(relationship, relationship.on_delete),
                onupdate=_action(relationship, relationship.on_update),
                match=None if relationship.match == "SIMPLE" else relationship.match,
                **_deferral(relationship.deferrable),
            )
        )
    return found


def foreign_key_name(table: TableContract, relationship: RelationshipContract) -> str:
    """The declared name of a foreign key, else the one PostgreSQL would give it."""
    return relationship.name or object_name(table.name, joined_columns(relationship.columns), "fkey")


def _action(relationship: RelationshipContract, written: str) -> str | None:
    """The action as SQL, null for the usual one; columns after SET NULL are those of the key and get quoted."""
    if written == "NO ACTION":
        return None
    words, bracket, listed = written.partition(" (")
    columns = [column.strip().strip('"') for column in listed.removesuffix(")").split(",")] if bracket else []
    if words not in _ACTIONS or (
        bracket and not (words.startswith("SET ") and set(columns) <= {*relationship.columns})
    ):
        raise ConfigError(
            "this is no action of a foreign key",
            where=relationship.target_table,
            expected=f"{', '.join(_ACTIONS)}; after SET NULL or SET DEFAULT columns of the key, in brackets",
            found=written,
        )
    return f"{words} ({', '.join(map(quote, columns))})" if bracket else words


def _index(index: IndexContract, table: Table, own: Objects) -> Index:
    return Index(
        index.name,
        *(_index_key(key, table, own) for key in index.keys),
        _table=table,
        unique=index.is_unique,
        postgresql_using=index.method,
        postgresql_where=expression(index.where, own) if index.where else None,
        postgresql_include=list(index.include) or None,
        postgresql_nulls_not_distinct=index.nulls_not_distinct or None,
    )


def _index_key(key: IndexKey, table: Table, own: Objects) -> ColumnElement[Any]:
    """A bare column as such, so that its table is known; anything more as SQL text made of checked parts."""
    is_bare = not (key.is_descending or key.operator_class or key.nulls or key.collation)
    if key.column is not None and is_bare:
        return table.c[key.column]
    what = f"({expression(key.expression or '', own).name})" if key.column is None else quote(table.c[key.column].name)
    words = [
        what,
        f"COLLATE {_collation(key.collation)}" if key.collation else "",
        _operator_class(key.operator_class) if key.operator_class else "",
        "DESC" if key.is_descending else "",
        f"NULLS {key.nulls.upper()}" if key.nulls else "",
    ]
    return literal_column(" ".join(word for word in words if word))


def expression(sql: str, own: Objects | None = None) -> ColumnClause[Any]:
    """`sql` as part of a statement, parsed first: nothing but one expression gets into DDL.

    `own` are the domain's types and sequences, whose names get their schema. A literal column, not `text()`, which
    would take `:1` in a JSON default for a parameter.
    Raises: ConfigError when it is not exactly one expression.
    """
    return literal_column(relocated_expression(parse_expression(sql).sql, own or {}))


def _strategy(partitioning: PartitioningContract) -> str:
    if partitioning.strategy not in STRATEGIES:
        raise ConfigError(
            "this partitioning strategy is not known", expected=", ".join(STRATEGIES), found=partitioning.strategy
        )
    return partitioning.strategy.upper()


def _collation(name: str) -> str:
    schema, _, bare = name.rpartition(".")
    return f"{quote(schema)}.{quote(bare)}" if schema else quote(bare)


def _operator_class(name: str) -> str:
    if not _OPERATOR_CLASS.match(name):
        raise ConfigError("this is not the name of an operator class", expected="jsonb_path_ops", found=name)
    return name


def quote(identifier: str) -> str:
    """`identifier` as PostgreSQL must read it, quoted where it has to be."""
    # "named": with the default parameter style a percent sign in the name would come out doubled.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(dialect.identifier_preparer.quote(identifier))
