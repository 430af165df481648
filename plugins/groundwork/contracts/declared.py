"""The declared world in the server's own words.

The domain's tables are made by their own DDL in a scratch schema, observed like any other table, and taken back, so
that the server itself normalises types, defaults and expressions. Nothing stays behind: the block is always undone.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.postgres import observe_schemas
from groundwork.catalog.session import run, undone
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import Statement, relocated, statements
from groundwork.contracts.derive.metadata import quote
from groundwork.model.errors import ConfigError, RetriableError
from groundwork.model.shape import ColumnShape, SchemaShape, TableShape

_INSUFFICIENT_PRIVILEGE = "42501"


def declared_shapes(connection: Connection, domain: Domain) -> tuple[TableShape, ...]:
    """The tables that `domain` declares, in order of schema and name; otherwise as `declared_schemas`."""
    return declared_schemas(connection, domain).tables


def declared_schemas(connection: Connection, domain: Domain) -> SchemaShape:
    """Everything that `domain` declares: tables, enum types and sequences, in order of schema and name.

    Raises: ConfigError when the server refuses a declaration (it names the table and the statement) or the role may
    not create a schema; RetriableError when the connection is lost.
    """
    schemas = scratch_names(domain)
    with undone(connection):
        for statement in statements(relocated(domain, schemas)):
            _make(connection, statement, schemas)
        found = observe_schemas(connection, list(schemas.values()), with_unsupported=False)
    return returned(found, {scratch: name for name, scratch in schemas.items()})


def returned(found: SchemaShape, real: Mapping[str, str]) -> SchemaShape:
    """What was observed in scratch schemas as if it had been made in the real ones that they map to."""
    return SchemaShape(
        tables=tuple(
            sorted((_returned(shape, real) for shape in found.tables), key=lambda shape: (shape.schema, shape.name))
        ),
        enum_types=tuple(
            sorted(
                (replace(each, schema=real[each.schema]) for each in found.enum_types),
                key=lambda each: (each.schema, each.name),
            )
        ),
        sequences=tuple(
            sorted(
                (replace(each, schema=real[each.schema]) for each in found.sequences),
                key=lambda each: (each.schema, each.name),
            )
        ),
        unsupported=tuple(
            replace(each, schema=real[each.schema], name=_translated(each.name, real) or each.name)
            for each in found.unsupported
        ),
    )


def scratch_names(domain: Domain) -> dict[str, str]:
    """A fresh name for a scratch schema by each schema of `domain`; no two callers get the same."""
    return {schema: f"groundwork_scratch_{uuid.uuid4().hex}" for schema in domain.schemas}


def _make(connection: Connection, statement: Statement, schemas: Mapping[str, str]) -> None:
    try:
        run(connection, statement.sql)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise RetriableError("the connection was lost while declaring the schema", found=error.orig) from error
        real = {scratch: schema for schema, scratch in schemas.items()}
        if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
            raise ConfigError(
                "this role may not create a scratch schema, so declared and live tables cannot be compared",
                expected="the privilege CREATE on the database",
                found=_first_line(error),
                next_step="GRANT CREATE ON DATABASE … TO the warehouse's role",
            ) from error
        raise ConfigError(
            f"the server refuses the {statement.kind} `{statement.name}`",
            where=f"{real[statement.schema]}.{statement.table or ''}".rstrip("."),
            expected="a declaration that PostgreSQL accepts",
            found=_first_line(error),
            next_step=f"correct the contract; the statement was: {_translated(statement.sql, real)}",
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _returned(shape: TableShape, real: Mapping[str, str]) -> TableShape:
    """`shape` as if it had been made in the real schema."""
    return replace(
        shape,
        schema=real[shape.schema],
        columns=tuple(_column(column, real) for column in shape.columns),
        foreign_keys=tuple(
            replace(key, target_schema=real.get(key.target_schema, key.target_schema)) for key in shape.foreign_keys
        ),
        checks=tuple(
            replace(check, condition=_translated(check.condition, real) or check.condition) for check in shape.checks
        ),
        indexes=tuple(
            replace(
                index,
                keys=tuple(_translated(key, real) or key for key in index.keys),
                predicate=_translated(index.predicate, real),
            )
            for index in shape.indexes
        ),
    )


def _column(column: ColumnShape, real: Mapping[str, str]) -> ColumnShape:
    numbered = column.sequence
    return replace(
        column,
        type=_translated(column.type, real) or column.type,
        default=_translated(column.default, real),
        generated=_translated(column.generated, real),
        sequence=replace(numbered, schema=real[numbered.schema]) if numbered else None,
    )


def _translated(text: str | None, real: Mapping[str, str]) -> str | None:
    """`text` with scratch names replaced; they are random, so a plain replacement cannot hit anything else."""
    if text is None:
        return None
    for scratch, schema in real.items():
        text = text.replace(scratch, quote(schema))
    return text
