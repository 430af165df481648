"""Contract → the SQL statements that make its tables, in an order that works.

Schemas, tables, indexes, partitions, foreign keys, comments: foreign keys come late so that tables may refer to one
another in any order. Each statement is complete text without parameters; run it verbatim
(`groundwork.catalog.session.run`), since a `%` in it is a percent sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from psycopg import sql
from sqlalchemy import Dialect, ForeignKeyConstraint, Index, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex, CreateTable, ExecutableDDLElement

from groundwork.contracts.contract import Contract, Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.derive.partitions import Partition, partitions
from groundwork.model.errors import ConfigError


class StatementKind(StrEnum):
    """What a statement makes."""

    SCHEMA = "schema"
    TABLE = "table"
    INDEX = "index"
    PARTITION = "partition"
    FOREIGN_KEY = "foreign key"
    COMMENT = "comment"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; `table` is null for a schema, `name` is what it makes (of a comment: the column, or the table)."""

    kind: StatementKind
    schema: str
    table: str | None
    name: str
    sql: str


def statements(domain: Domain) -> tuple[Statement, ...]:
    """Every statement that makes `domain` from nothing.

    Raises: ConfigError when a contract declares something that is not exactly one SQL expression, an unknown type, a
    relationship without target, or partitions that make no sense.
    """
    built = metadata(domain)
    schemas = dict.fromkeys(table.schema for table in domain.tables)
    tables = [(table, built.tables[f"{table.schema}.{table.name}"]) for table in domain.tables]
    try:
        return (
            *(_schema(name) for name in schemas),
            *(_statement(StatementKind.TABLE, table, table.name, _create(made)) for table, made in tables),
            *(statement for table, made in tables for statement in _indexes(table, made)),
            *(_partition(table, partition) for table, _ in tables for partition in partitions(table)),
            *(statement for table, made in tables for statement in _foreign_keys(table, made)),
            *(statement for table, _ in tables for statement in _comments(table)),
        )
    except SQLAlchemyError as error:
        raise ConfigError(
            "no DDL can be made from the contracts",
            where=f"domain {domain.name}",
            found=error,
            next_step=f"groundwork validate-schema {domain.name}",
        ) from error


def relocated(domain: Domain, schemas: Mapping[str, str]) -> Domain:
    """`domain` with the tables of each schema in `schemas` declared in the schema it maps to."""
    return replace(domain, contracts=tuple(_moved(contract, schemas) for contract in domain.contracts))


def declared_table(built: MetaData, schema: str, name: str) -> Table:
    """The derived table `schema.name`; raises KeyError when the domain declares none."""
    return built.tables[f"{schema}.{name}"]


def render(element: ExecutableDDLElement | CreateColumn) -> str:
    """`element` as PostgreSQL text without parameters."""
    return str(element.compile(dialect=dialect())).strip()


def dialect() -> Dialect:
    """PostgreSQL's dialect for text that runs verbatim: percent signs stay single."""
    found: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return found


def comment_statement(schema: str, table: str, column: str | None, comment: str | None) -> str:
    """The COMMENT statement for a table, or for one of its columns."""
    if column is None:
        target = sql.SQL("TABLE {}").format(sql.Identifier(schema, table))
    else:
        target = sql.SQL("COLUMN {}").format(sql.Identifier(schema, table, column))
    return sql.SQL("COMMENT ON {} IS {}").format(target, sql.Literal(comment)).as_string()


def partition_statement(schema: str, table: str, partition: Partition) -> str:
    """The CREATE TABLE … PARTITION OF statement."""
    if partition.start is None:
        bounds: sql.Composable = sql.SQL("DEFAULT")
    else:
        bounds = sql.SQL("FOR VALUES FROM ({}) TO ({})").format(
            sql.Literal(partition.start), sql.Literal(partition.end)
        )
    parent, child = sql.Identifier(schema, table), sql.Identifier(schema, partition.name)
    return sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(child, parent, bounds).as_string()


def _moved(contract: Contract, schemas: Mapping[str, str]) -> Contract:
    moved = tuple(replace(table, schema=schemas.get(table.schema, table.schema)) for table in contract.tables)
    return replace(contract, tables=moved)


def _schema(name: str) -> Statement:
    text = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)).as_string()
    return Statement(kind=StatementKind.SCHEMA, schema=name, table=None, name=name, sql=text)


def _statement(kind: StatementKind, table: TableContract, name: str, text: str) -> Statement:
    return Statement(kind=kind, schema=table.schema, table=table.name, name=name, sql=text)


def _create(table: Table) -> str:
    return render(CreateTable(table, include_foreign_key_constraints=[]))


def _indexes(table: TableContract, made: Table) -> Iterator[Statement]:
    order = [index.name for index in table.indexes]
    found: list[Index] = sorted(made.indexes, key=lambda index: order.index(str(index.name)))
    for index in found:
        yield _statement(StatementKind.INDEX, table, str(index.name), render(CreateIndex(index)))


def _partition(table: TableContract, partition: Partition) -> Statement:
    text = partition_statement(table.schema, table.name, partition)
    return _statement(StatementKind.PARTITION, table, partition.name, text)


def _foreign_keys(table: TableContract, made: Table) -> Iterator[Statement]:
    keys: list[ForeignKeyConstraint] = sorted(made.foreign_key_constraints, key=lambda key: str(key.name))
    for key in keys:
        yield _statement(StatementKind.FOREIGN_KEY, table, str(key.name), render(AddConstraint(key)))


def _comments(table: TableContract) -> Iterator[Statement]:
    described = [(None, table.description), *((column.name, column.description) for column in table.columns)]
    for column, comment in described:
        if comment:
            text = comment_statement(table.schema, table.name, column, comment)
            yield _statement(StatementKind.COMMENT, table, column or table.name, text)
