"""Contract → the SQL statements that make its tables, in an order that works.

Schemas, enum types, sequences, tables, indexes, partitions, foreign keys, comments: foreign keys come late so that
tables may refer to one another in any order. Each statement is complete text without parameters; run it verbatim
(`groundwork.catalog.session.run`), since a `%` in it is a percent sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql
from sqlalchemy import Dialect, ForeignKeyConstraint, Index, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex, CreateTable, ExecutableDDLElement

from groundwork.contracts.contract import Domain, EnumTypeContract, SequenceContract, TableContract
from groundwork.contracts.derive.metadata import metadata, own_objects
from groundwork.contracts.derive.names import object_name
from groundwork.contracts.derive.partitions import Partition, bounds, partitions
from groundwork.contracts.derive.relocated import moved
from groundwork.contracts.derive.sequences import sequence_words
from groundwork.model.errors import ConfigError


class StatementKind(StrEnum):
    """What a statement makes."""

    SCHEMA = "schema"
    ENUM_TYPE = "enum type"
    SEQUENCE = "sequence"
    TABLE = "table"
    INDEX = "index"
    PARTITION = "partition"
    FOREIGN_KEY = "foreign key"
    COMMENT = "comment"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement.

    `table` is null for a schema, and the own name of what belongs to no table (an enum type, a sequence). `name` is
    what it makes (of a comment: the column, or the table).
    """

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
    try:
        built = metadata(domain)
        tables = [(table, built.tables[table.qualified_name]) for table in domain.tables]
        return (
            *(_schema(name) for name in domain.schemas),
            *(enum_type_statement(each) for each in domain.enum_types),
            *(sequence_statement(each) for each in domain.sequences),
            *(_statement(StatementKind.TABLE, table, table.name, _create(made)) for table, made in tables),
            *(statement for table, _ in tables for statement in _numbering(table)),
            *(statement for table, made in tables for statement in _indexes(table, made)),
            *(_partition(table, partition) for table, _ in tables for partition in partitions(table)),
            *(statement for table, made in tables for statement in _foreign_keys(table, made)),
            *_type_comments(domain),
            *(statement for table, _ in tables for statement in _comments(table)),
        )
    except SQLAlchemyError as error:
        raise ConfigError(
            "no DDL can be made from the contracts",
            where=f"domain {domain.name}",
            found=error,
            next_step=f"groundwork validate-schema {domain.name}",
        ) from error


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something that a contract declares and no DDL makes, with the reason."""

    name: str
    reason: str


def left_out(domain: Domain) -> tuple[LeftOut, ...]:
    """What DDL does not make of `domain`: objects that are no tables, and measures, which are computed of many rows."""
    others = [item for contract in domain.contracts for item in contract.other_objects]
    measures = [(table, measure) for table in domain.tables for measure in table.measures]
    return (
        *(
            LeftOut(name=item.name, reason=f"it is a {item.physical_type}, and DDL makes tables only")
            for item in others
        ),
        *(
            LeftOut(name=f"{table.name}.{measure.name}", reason="it is a measure, computed of many rows")
            for table, measure in measures
        ),
    )


def relocated(domain: Domain, schemas: Mapping[str, str]) -> Domain:
    """`domain` with all that it declares in a schema of `schemas` declared in the schema it maps to.

    Expressions that name the domain's types and sequences follow; names of anything else stay as they are.
    """
    return moved(domain, schemas, own_objects(domain, schemas))


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
    parent, child = sql.Identifier(schema, table), sql.Identifier(schema, partition.name)
    return sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(child, parent, bounds(partition)).as_string()


def _schema(name: str) -> Statement:
    text = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)).as_string()
    return Statement(kind=StatementKind.SCHEMA, schema=name, table=None, name=name, sql=text)


def _statement(kind: StatementKind, table: TableContract, name: str, text: str) -> Statement:
    return Statement(kind=kind, schema=table.schema, table=table.name, name=name, sql=text)


def enum_type_statement(each: EnumTypeContract) -> Statement:
    """The CREATE TYPE … AS ENUM statement."""
    values = sql.SQL(", ").join(map(sql.Literal, each.values))
    text = sql.SQL("CREATE TYPE {} AS ENUM ({})").format(sql.Identifier(each.schema, each.name), values).as_string()
    return Statement(kind=StatementKind.ENUM_TYPE, schema=each.schema, table=each.name, name=each.name, sql=text)


def sequence_statement(each: SequenceContract) -> Statement:
    """The CREATE SEQUENCE statement."""
    head = sql.SQL("CREATE SEQUENCE {}").format(sql.Identifier(each.schema, each.name)).as_string()
    text = " ".join([head, *sequence_words(each.options, where=each.qualified_name)])
    return Statement(kind=StatementKind.SEQUENCE, schema=each.schema, table=each.name, name=each.name, sql=text)


def _numbering(table: TableContract) -> Iterator[Statement]:
    """Options of serial columns' sequences, for which CREATE TABLE has no words."""
    for column in table.columns:
        if column.identity == "serial" and column.sequence:
            name = object_name(table.name, column.name, "seq")
            head = sql.SQL("ALTER SEQUENCE {}").format(sql.Identifier(table.schema, name)).as_string()
            words = sequence_words(column.sequence, where=f"{table.qualified_name}.{column.name}")
            restart = ["RESTART"] if "start" in column.sequence else []
            yield _statement(StatementKind.SEQUENCE, table, name, " ".join([head, *words, *restart]))


def _type_comments(domain: Domain) -> Iterator[Statement]:
    described = [("TYPE", each.schema, each.name, each.description) for each in domain.enum_types]
    described += [("SEQUENCE", each.schema, each.name, each.description) for each in domain.sequences]
    for kind, schema, name, comment in described:
        if comment:
            text = object_comment(kind, schema, name, comment)
            yield Statement(kind=StatementKind.COMMENT, schema=schema, table=name, name=name, sql=text)


def object_comment(kind: str, schema: str, name: str, comment: str | None) -> str:
    """The COMMENT statement for an enum type (`TYPE`) or a sequence (`SEQUENCE`)."""
    words = {"TYPE": sql.SQL("COMMENT ON TYPE {} IS {}"), "SEQUENCE": sql.SQL("COMMENT ON SEQUENCE {} IS {}")}
    return words[kind].format(sql.Identifier(schema, name), sql.Literal(comment)).as_string()


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
