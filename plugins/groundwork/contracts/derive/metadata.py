"""Contract → SQLAlchemy metadata: the form that DDL, repositories and loads are made from.

Names that the contract leaves out follow PostgreSQL's own habit (`<table>_pkey`, `<table>_<columns>_fkey`,
`<table>_<column>_check`), so that a table made by hand from the same contract compares equal.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnClause,
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
from sqlalchemy.types import TypeEngine

from groundwork.contracts.contract import ColumnContract, Domain, IndexContract, PartitioningContract, TableContract
from groundwork.contracts.fragment import parse_expression
from groundwork.model.errors import ConfigError

_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "bigint": postgresql.BIGINT,
    "boolean": postgresql.BOOLEAN,
    "bytea": postgresql.BYTEA,
    "date": postgresql.DATE,
    "double precision": postgresql.DOUBLE_PRECISION,
    "inet": postgresql.INET,
    "integer": postgresql.INTEGER,
    "interval": postgresql.INTERVAL,
    "json": postgresql.JSON,
    "jsonb": postgresql.JSONB,
    "real": postgresql.REAL,
    "smallint": postgresql.SMALLINT,
    "text": postgresql.TEXT,
    "tsvector": postgresql.TSVECTOR,
    "uuid": postgresql.UUID,
}
_SYNONYMS = {
    "bool": "boolean",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "string": "text",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
    "character": "char",
}
_SHAPE = re.compile(r"^\s*([a-z_][a-z0-9_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*(\[\])?\s*$")
_OPERATOR_CLASS = re.compile(r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")


def column_type(physical_type: str) -> TypeEngine[Any]:
    """The SQLAlchemy type for a contract's `physicalType`, with PostgreSQL's synonyms understood.

    Raises: ConfigError when the type is not one that contracts can declare.

    >>> str(column_type("DECIMAL(14, 4)"))
    'NUMERIC(14, 4)'
    """
    match = _SHAPE.match(physical_type.lower())
    if match:
        name = _SYNONYMS.get(match[1], match[1])
        length, scale = (int(part) if part else None for part in (match[2], match[3]))
        found = _build(name, length, scale)
        if found is not None:
            return postgresql.ARRAY(found) if match[4] else found
    known = sorted([*_TYPES, "char(n)", "numeric(p,s)", "time", "timestamp", "timestamptz", "varchar(n)"])
    raise ConfigError(
        "this physical type is not known", expected=", ".join(known) + ", each also as an array", found=physical_type
    )


def _build(name: str, length: int | None, scale: int | None) -> TypeEngine[Any] | None:
    if name == "numeric":
        return postgresql.NUMERIC(length, scale)
    if name == "varchar":
        return postgresql.VARCHAR(length)
    if name == "char":
        return postgresql.CHAR(length)
    if name in ("timestamp", "timestamptz"):
        return postgresql.TIMESTAMP(timezone=name == "timestamptz", precision=length)
    if name == "time":
        return postgresql.TIME(precision=length)
    return _TYPES[name]() if name in _TYPES and length is None else None


def metadata(domain: Domain) -> MetaData:
    """SQLAlchemy metadata with every table of the domain, keyed `schema.name`.

    Partitions themselves are not tables here: `groundwork.contracts.derive.partitions` names them.
    Raises: ConfigError for a physical type nobody knows or a relationship whose target is not declared.
    """
    found = MetaData()
    for table in domain.tables:
        _table(table, domain, found)
    return found


def _table(table: TableContract, domain: Domain, target: MetaData) -> Table:
    constraints: list[Any] = []
    if table.primary_key:
        constraints.append(PrimaryKeyConstraint(*table.primary_key, name=f"{table.name}_pkey"))
    constraints += [UniqueConstraint(*key.columns, name=key.name) for key in table.unique_keys]
    constraints += [CheckConstraint(expression(check.condition or ""), name=check.name) for check in table.checks]
    constraints += [_allowed_values(table, column) for column in table.columns if column.allowed_values]
    constraints += _foreign_keys(table, domain)
    options: dict[str, Any] = {}
    if table.partitioning:
        keys = ", ".join(quote(column) for column in table.partitioning.columns)
        options["postgresql_partition_by"] = f"{_strategy(table.partitioning)} ({keys})"
    columns = [_column(column) for column in table.columns]
    built = Table(table.name, target, *columns, *constraints, schema=table.schema, comment=table.description, **options)
    for index in table.indexes:
        _index(index, built)
    return built


def _column(column: ColumnContract) -> Column[Any]:
    extras: list[Any] = []
    if column.generated is not None:
        extras.append(Computed(expression(column.generated), persisted=True))
    if column.identity is not None:
        extras.append(Identity(always=column.identity.lower() == "always"))
    default = expression(column.default) if column.default is not None else None
    return Column(
        column.name,
        column_type(column.type),
        *extras,
        nullable=not column.is_required,
        server_default=default,
        comment=column.description,
        autoincrement="auto" if column.identity else False,
    )


def _allowed_values(table: TableContract, column: ColumnContract) -> CheckConstraint:
    values = ", ".join(
        str(literal(value).compile(compile_kwargs={"literal_binds": True})) for value in column.allowed_values
    )
    condition: ColumnClause[Any] = literal_column(f"{quote(column.name)} IN ({values})")
    return CheckConstraint(condition, name=f"{table.name}_{column.name}_check")


def _foreign_keys(table: TableContract, domain: Domain) -> list[ForeignKeyConstraint]:
    found = []
    for relationship in table.relationships:
        target = domain.table(relationship.target_table)
        references = [f"{target.schema}.{target.name}.{column}" for column in relationship.target_columns]
        ondelete = None if relationship.on_delete == "NO ACTION" else relationship.on_delete
        name = f"{table.name}_{'_'.join(relationship.columns)}_fkey"
        found.append(ForeignKeyConstraint(relationship.columns, references, name=name, ondelete=ondelete))
    return found


def _index(index: IndexContract, table: Table) -> Index:
    expressions: list[Any] = []
    classes: dict[str, str] = {}
    for key in index.keys:
        if key.column is None:
            order = " DESC" if key.is_descending else ""
            expressions.append(literal_column(f"({expression(key.expression or '').name}){order}"))
            continue
        if key.operator_class:
            classes[key.column] = _operator_class(key.operator_class)
        expressions.append(table.c[key.column].desc() if key.is_descending else table.c[key.column])
    return Index(
        index.name,
        *expressions,
        _table=table,
        unique=index.is_unique,
        postgresql_using=index.method,
        postgresql_ops=classes,
        postgresql_where=expression(index.where) if index.where else None,
        postgresql_include=list(index.include) or None,
    )


def expression(sql: str) -> ColumnClause[Any]:
    """`sql` as part of a statement, parsed first: nothing but one expression gets into DDL.

    A literal column, not `text()`, which would take `:1` in a JSON default for a parameter.
    Raises: ConfigError when it is not exactly one expression.
    """
    return literal_column(parse_expression(sql).sql)


def _strategy(partitioning: PartitioningContract) -> str:
    if partitioning.strategy.lower() != "range":
        raise ConfigError("this partitioning strategy is not known", expected="range", found=partitioning.strategy)
    return "RANGE"


def _operator_class(name: str) -> str:
    if not _OPERATOR_CLASS.match(name):
        raise ConfigError("this is not the name of an operator class", expected="jsonb_path_ops", found=name)
    return name


def quote(identifier: str) -> str:
    """`identifier` as PostgreSQL must read it, quoted where it has to be."""
    # "named": with the default parameter style a percent sign in the name would come out doubled.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(dialect.identifier_preparer.quote(identifier))
