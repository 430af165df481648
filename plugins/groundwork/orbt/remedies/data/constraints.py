"""Constraints that a contract declares and the database does not enforce: found, made, and taken back again.

A constraint that is there but NOT VALID holds for new rows only; it counts as not enforced. What is compared is what
they mean, not their names, as `groundwork compare-to-db` does it.
"""

# groundwork: allow-file raw_sql,direct_driver DDL is composed of what contracts declare and of what the server told

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.diff import Change, ChangeKind, ObjectType, compare_domain
from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.orbt.remedies.remedy import RemedyRefusedError

__all__ = ["Lacking", "NotValid", "lacking", "make", "not_valid", "part_of_domain", "put_back", "set_aside"]
_NOT_VALID = " NOT VALID"
_KINDS = {
    ObjectType.PRIMARY_KEY,
    ObjectType.UNIQUE_KEY,
    ObjectType.CHECK,
    ObjectType.FOREIGN_KEY,
    ObjectType.COLUMN_NULLABILITY,
    ObjectType.INDEX,
}
_UNCHECKED = text(
    """
    SELECT n.nspname AS schema, c.relname AS table, k.conname AS name, k.contype AS kind, k.conkey AS numbers,
           pg_get_constraintdef(k.oid) AS definition, k.convalidated AS is_valid
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype IN ('c', 'f', 'n') AND NOT k.convalidated AND k.conparentid = 0
      AND n.nspname || '.' || c.relname = ANY(:names)
    ORDER BY n.nspname, c.relname, k.contype DESC, k.conname
    """
)
_IS_VALID = text(
    "SELECT k.convalidated FROM pg_constraint k WHERE k.conname = :name "
    "AND k.conrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))"
)


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A declared constraint that rows of the table may break; `name` of a NOT NULL is its column.

    `definition` is SQL text as constraints are compared; `is_there` tells that the database has it, NOT VALID.
    """

    schema: str
    table: str
    kind: ObjectType
    name: str
    definition: str
    is_there: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (" (there, but not valid)" if self.is_there else " (missing)")


@dataclass(frozen=True, kw_only=True)
class NotValid:
    """A constraint of the database that holds for new rows only; `definition` is the server's own, NOT VALID in it."""

    schema: str
    table: str
    name: str
    definition: str


def part_of_domain(domain: Domain, table: TableContract) -> Domain:
    """The table and the tables that it refers to, which is all that its constraints need."""
    folder = domain.contract_of(table).path.parent
    return pipeline_domain(folder.parent, domain.name, table.qualified_name)


def lacking(connection: Connection, domain: Domain, table: TableContract) -> tuple[Lacking, ...]:
    """The constraints of `table` that are declared and not enforced, in order of kind.

    Raises: ConfigError when the role may not make a scratch schema, in which the server reads the declarations.
    """
    changes = compare_domain(connection, part_of_domain(domain, table)).of_table(table.qualified_name, enum_types=())
    found = [_lacking(change) for change in changes.changes]
    return tuple(each for each in found if each is not None)


def _lacking(change: Change) -> Lacking | None:
    is_there = change.kind is ChangeKind.CHANGED and change.observed == f"{change.declared}{_NOT_VALID}"
    is_nullable = change.object_type is ObjectType.COLUMN_NULLABILITY and change.declared == "NOT NULL"
    is_missing = change.kind is ChangeKind.MISSING or is_nullable
    is_unique = change.object_type is not ObjectType.INDEX or str(change.declared).startswith("UNIQUE ")
    if change.object_type not in _KINDS or not (is_there or is_missing) or not is_unique:
        return None
    return Lacking(
        schema=change.schema,
        table=change.table,
        kind=change.object_type,
        name=change.name,
        definition=str(change.declared),
        is_there=is_there,
    )


def not_valid(connection: Connection, tables: Iterable[tuple[str, str]]) -> tuple[NotValid, ...]:
    """The constraints of these tables that hold for new rows only, in the words of the server."""
    run(connection, "SET LOCAL search_path = ''")  # every name of a definition shall bear its schema
    rows = connection.execute(_UNCHECKED, {"names": [f"{schema}.{table}" for schema, table in tables]})
    return tuple(NotValid(schema=row.schema, table=row.table, name=row.name, definition=row.definition) for row in rows)


def make(connection: Connection, missing: Sequence[Lacking], unchecked: Sequence[NotValid]) -> None:
    """Make each constraint hold for all rows: validate it where it is there, else add it.

    Raises: SQLAlchemyError when a row breaks one, or the role does not own the table.
    """
    for each in missing:
        column = sql.Identifier(each.name)
        null_check = next((known.name for known in unchecked if _is_not_null_of(known, each)), None)
        if each.is_there or null_check is not None:
            action = sql.SQL("VALIDATE CONSTRAINT {}").format(sql.Identifier(null_check or each.name))
        elif each.kind is ObjectType.COLUMN_NULLABILITY:
            action = sql.SQL("ALTER COLUMN {} SET NOT NULL").format(column)
        elif each.kind is ObjectType.INDEX:
            _make_index(connection, each)
            continue
        else:
            action = sql.SQL("ADD CONSTRAINT {} {}").format(column, _trusted(each.definition))
        _alter(connection, each.schema, each.table, action)


def facts(missing: Sequence[Lacking], unchecked: Sequence[NotValid]) -> dict[str, Any]:
    """What the way back needs to know, JSON-ready: constraints that were made, and those that were not valid before."""
    made = [each for each in missing if not each.is_there]
    ours = {(each.schema, each.table, each.name) for each in missing if each.is_there}
    ours |= {
        (known.schema, known.table, known.name) for known in unchecked for each in made if _is_not_null_of(known, each)
    }
    made = [each for each in made if not any(_is_not_null_of(known, each) for known in unchecked)]
    return {
        "made": [{**asdict(each), "kind": str(each.kind)} for each in made],
        "not_valid": [{**asdict(each), "is_ours": (each.schema, each.table, each.name) in ours} for each in unchecked],
    }


def set_aside(connection: Connection, told: Mapping[str, Any]) -> None:
    """Take away what a repair made, and what keeps rows out that were there before it.

    Raises: RemedyRefusedError when somebody else made a constraint hold for all rows meanwhile.
    """
    for each in told.get("not_valid", ()):
        is_valid = connection.scalar(_IS_VALID, {name: each[name] for name in ("schema", "table", "name")})
        if is_valid and not each["is_ours"]:
            raise RemedyRefusedError(f"the constraint {each['name']} of {each['table']} was validated meanwhile")
        _drop(connection, each)
    for each in reversed(told.get("made", ())):
        if each["kind"] == ObjectType.COLUMN_NULLABILITY:
            action = sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(sql.Identifier(each["name"]))
            _alter(connection, each["schema"], each["table"], action)
        elif each["kind"] == ObjectType.INDEX:
            name = sql.Identifier(each["schema"], each["name"])
            run(connection, sql.SQL("DROP INDEX IF EXISTS {}").format(name).as_string())
        else:
            _drop(connection, each)


def put_back(connection: Connection, told: Mapping[str, Any]) -> None:
    """Make again what held for new rows only, as it was."""
    for each in told.get("not_valid", ()):
        action = sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(each["name"]), _trusted(each["definition"]))
        _alter(connection, each["schema"], each["table"], action)


def _is_not_null_of(known: NotValid, each: Lacking) -> bool:
    """Whether a constraint that is not valid is the NOT NULL that lacks (PostgreSQL 18 has them as constraints)."""
    is_same = (known.schema, known.table) == (each.schema, each.table)
    words = f"NOT NULL {each.name}", f'NOT NULL "{each.name}"'
    is_null = each.kind is ObjectType.COLUMN_NULLABILITY
    return is_same and is_null and known.definition.removesuffix(_NOT_VALID) in words


def _make_index(connection: Connection, each: Lacking) -> None:
    statement = sql.SQL("CREATE UNIQUE INDEX {} ON {} {}").format(
        sql.Identifier(each.name),
        sql.Identifier(each.schema, each.table),
        _trusted(each.definition.removeprefix("UNIQUE ")),
    )
    run(connection, statement.as_string())


def _drop(connection: Connection, each: Mapping[str, Any]) -> None:
    action = sql.SQL("DROP CONSTRAINT IF EXISTS {}").format(sql.Identifier(each["name"]))
    _alter(connection, each["schema"], each["table"], action)


def _alter(connection: Connection, schema: str, table: str, action: sql.Composable) -> None:
    statement = sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, table), action)
    run(connection, statement.as_string())


def _trusted(written: str) -> sql.SQL:
    """Text that our own derivation made (every fragment in it was parsed) or that the server gave."""
    return sql.SQL(written)
