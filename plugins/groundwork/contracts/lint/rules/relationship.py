"""Relationships that can become foreign keys.

The columns exist on both sides, are as many, and have the same types; the target is the primary key or a unique key of
a table of this domain, because only a key identifies the row that is meant. `onDelete` and `onUpdate` are actions of
SQL, and `SET NULL` needs columns that may be null.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.physical import type_text
from groundwork.contracts.lint.subject import DomainPart, Problem, RelationshipPart, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def check(domain: DomainPart) -> Iterator[Problem]:
    """The first thing that is wrong with each relationship."""
    for table in domain.tables:
        for relationship in table.relationships:
            found = next(_problems(domain, table, relationship), None)
            if found:
                yield found


def _problems(domain: DomainPart, table: TablePart, relationship: RelationshipPart) -> Iterator[Problem]:
    yield from _source(table, relationship)
    name = relationship.target_table
    target = domain.table(name) if name else None
    if name is None:
        yield relationship.problem("/to", "a relationship points at one table", "name columns of one table in `to`")
        return
    if target is None:
        tables = ", ".join(found.name for found in domain.tables)
        yield relationship.problem("/to", f"no table `{name}` is declared in this domain", f"name one of {tables}")
        return
    yield from _target(table, relationship, target)
    yield from _action(table, relationship)


def _source(table: TablePart, relationship: RelationshipPart) -> Iterator[Problem]:
    for written in relationship.texts("from"):
        if written.rpartition(".")[0] not in (table.name, f"{table.schema}.{table.name}"):
            yield relationship.problem(
                "/from", f"`{written}` is not a column of this table", f"write `{table.name}.<column>`"
            )
    unknown = [name for name in relationship.columns if table.column(name) is None]
    if unknown:
        declared = ", ".join(table.column_names)
        yield relationship.problem("/from", f"`{table.name}` has no column `{unknown[0]}`", f"name one of {declared}")


def _target(table: TablePart, relationship: RelationshipPart, target: TablePart) -> Iterator[Problem]:
    targets = relationship.target_columns
    unknown = [name for name in targets if target.column(name) is None]
    if unknown:
        declared = ", ".join(target.column_names)
        yield relationship.problem("/to", f"`{target.name}` has no column `{unknown[0]}`", f"name one of {declared}")
    if len(targets) != len(relationship.columns):
        yield relationship.problem(
            "/to",
            f"{len(relationship.columns)} columns point at {len(targets)}",
            "name as many columns in `to` as in `from`",
        )
        return
    for name, other in zip(relationship.columns, targets, strict=True):
        here, there = table.column(name), target.column(other)
        types = [type_text(column.type) for column in (here, there) if column]
        if here and there and None not in types and types[0] != types[1]:
            yield relationship.problem(
                "/to",
                f"`{name}` is {here.type} and `{target.name}.{other}` is {there.type}",
                f"give both the type {there.type}",
            )
    keys = {frozenset(key) for key in (target.primary_key, *target.unique_keys)}
    if not unknown and frozenset(targets) not in keys:
        key = ", ".join(f"{target.name}.{name}" for name in target.primary_key) or "a unique key"
        yield relationship.problem(
            "/to",
            f"`{', '.join(targets)}` is no key of `{target.name}`",
            f"point at {key}, or declare a unique key over these columns",
        )


def _action(table: TablePart, relationship: RelationshipPart) -> Iterator[Problem]:
    for name in ("onDelete", "onUpdate"):
        yield from _one_action(table, relationship, name)


def _one_action(table: TablePart, relationship: RelationshipPart, name: str) -> Iterator[Problem]:
    action = (relationship.custom_text(name) or "NO ACTION").upper()
    place = relationship.custom_pointer(name)
    words, bracket, _ = action.partition("(")
    if words.strip() not in _ACTIONS or (bracket and not words.startswith("SET ")):
        yield relationship.problem(place, f"`{action}` is no action of SQL", f"write one of {', '.join(_ACTIONS)}")
    columns = [table.column(name) for name in relationship.columns]
    if action == "SET NULL" and any(column is not None and column.is_required for column in columns):
        yield relationship.problem(
            place, "SET NULL would set a required column to null", "write `NO ACTION` or `CASCADE`, or drop `required`"
        )
