"""Stages for enum types whose values are removed or reordered, which PostgreSQL can only do with a new type.

In one transaction the old type steps aside, the new one takes its name, and each column is cast by way of its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from psycopg import sql

from groundwork.change import drops, enum_types, wording
from groundwork.change.stage import Refusal, Risk, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.derive.metadata import quote
from groundwork.contracts.diff import Change, ChangeKind
from groundwork.model.shape import ColumnShape, TableShape

_ASIDE = "_groundwork_old"


def enum_type(subject: Subject, change: Change) -> Stage | Refusal | None:
    """As `enum_types.enum_type`, and where values have to go, a new type in the place of the old one."""
    if change.kind is ChangeKind.EXTRA:
        return drops.standing_alone(subject, change)
    found = enum_types.enum_type(subject, change)
    if change.kind is not ChangeKind.CHANGED or not subject.facts.observed.enum_types:
        return found
    users = list(_users(subject, change))
    is_small = all(subject.facts.is_small(table.qualified_name) for table, _ in users)
    back = tuple(_rebuilt(change, str(change.observed), users))
    if isinstance(found, Stage):  # values are only added; the way back needs the old type again
        return replace(found, is_reversible=True, rollback_sql=back)
    if not subject.may_lose or not (is_small or subject.may_rewrite(change)):
        return found
    is_empty = all(subject.facts.is_empty(table.qualified_name) for table, _ in users)
    return Stage(
        what=f"replace the enum type {change.name}",
        why="the contract declares fewer values or another order, and its loss is accepted; "
        f"{len(users)} column{'s use' if len(users) != 1 else ' uses'} it",
        lock="ACCESS EXCLUSIVE on every table with such a column while it is written anew",
        risk=Risk.NONE if is_empty else Risk.REWRITES,
        sql=tuple(_rebuilt(change, str(change.declared), users)),
        rollback_sql=back,
        changes=(change,),
    )


def _users(subject: Subject, change: Change) -> Iterator[tuple[TableShape, ColumnShape]]:
    name = f"{quote(change.schema)}.{quote(change.name)}"
    for table in subject.facts.observed.tables:
        for column in table.columns:
            if column.type in (name, f"{name}[]"):
                yield table, column


def _rebuilt(change: Change, definition: str, users: list[tuple[TableShape, ColumnShape]]) -> Iterator[str]:
    aside = wording.shortened(f"{change.name}{_ASIDE}", suffix=_ASIDE)
    old, new = sql.Identifier(change.schema, change.name), sql.Identifier(change.schema, aside)
    yield sql.SQL("ALTER TYPE {} RENAME TO {}").format(old, sql.Identifier(aside)).as_string()
    yield sql.SQL("CREATE TYPE {} AS {}").format(old, wording.trusted(definition)).as_string()
    for table, column in users:
        place = (table.schema, table.name, column.name)
        brackets = "[]" if column.type.endswith("[]") else ""
        if column.default is not None:
            yield wording.alter_column(*place, sql.SQL("DROP DEFAULT"))
        yield wording.alter_column(
            *place,
            sql.SQL("TYPE {}{} USING {}::text{}::{}{}").format(
                old, sql.SQL(brackets), sql.Identifier(column.name), sql.SQL(brackets), old, sql.SQL(brackets)
            ),
        )
        if column.default is not None:
            yield wording.alter_column(*place, wording.default_action(column.default))
    yield sql.SQL("DROP TYPE {}").format(new).as_string()
