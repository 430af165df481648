"""Stages for enum types and for sequences that no column owns: what tables stand on, so they come first.

An enum type takes new values anywhere in its order without touching a row. PostgreSQL can neither remove nor reorder
values, so anything else is refused with the safe way.
"""

from __future__ import annotations

from psycopg import sql

from groundwork.change.stage import Refusal, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.contract import Domain, EnumTypeContract, SequenceContract
from groundwork.contracts.derive.ddl import (
    StatementKind,
    enum_type_statement,
    object_comment,
    sequence_statement,
    statements,
)
from groundwork.contracts.derive.sequences import sequence_words
from groundwork.contracts.diff import Change, ChangeKind

_NO_TABLE = "none on a table"


def enum_type(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A missing type is made and new values are added in their place; an unknown type is left alone."""
    if change.kind is ChangeKind.EXTRA:
        return None
    declared = _enum_type(subject.domain, change)
    if change.kind is ChangeKind.MISSING:
        return _created(subject.domain, change, "enum type", enum_type_statement(declared).sql, declared.description)
    additions = added_values(_values(str(change.observed)), declared.values)
    if additions is None:
        return Refusal(
            change=change,
            reason="PostgreSQL cannot remove values of an enum type or change their order",
            safe_way="declare the type under a new name and give it to the column, which is then filled from the old "
            "one; a value that only has another name is changed by ALTER TYPE … RENAME VALUE",
        )
    return _extended(change, additions)


def enum_type_comment(change: Change) -> Stage:
    """The enum type's comment as declared."""
    return _comment(change, "TYPE")


def sequence(subject: Subject, change: Change) -> Stage | None:
    """A missing sequence is made, other options are set; an unknown one is left alone."""
    if change.kind is ChangeKind.EXTRA:
        return None
    declared = _sequence(subject.domain, change)
    if change.kind is ChangeKind.MISSING:
        return _created(subject.domain, change, "sequence", sequence_statement(declared).sql, declared.description)
    words = _every_word(declared)
    name = sql.Identifier(change.schema, change.name)
    head = sql.SQL("ALTER SEQUENCE {}").format(name).as_string()
    return Stage(
        what=f"change the options of the sequence {change.name}",
        why="they differ from the contract; the numbers already given out stay",
        lock="SHARE ROW EXCLUSIVE on the sequence for a moment",
        is_reversible=False,
        sql=(" ".join([head, *words]),),
        changes=(change,),
    )


def sequence_comment(change: Change) -> Stage:
    """The sequence's comment as declared."""
    return _comment(change, "SEQUENCE")


def added_values(present: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[tuple[str, str | None], ...] | None:
    """Each value to add with the one it comes after (null: it comes first); null when adding is not enough.

    >>> added_values(("a", "c"), ("a", "b", "c"))
    (('b', 'a'),)
    >>> added_values(("a", "b"), ("b", "a")) is None
    True
    """
    if tuple(value for value in wanted if value in present) != present:
        return None
    before = (None, *wanted)
    return tuple((value, before[place]) for place, value in enumerate(wanted) if value not in present)


def _extended(change: Change, additions: tuple[tuple[str, str | None], ...]) -> Stage:
    name = sql.Identifier(change.schema, change.name)
    first = _values(str(change.observed))[:1]
    texts = []
    for value, after in additions:
        if after is not None:
            place = sql.SQL(" AFTER {}").format(sql.Literal(after))
        else:
            place = sql.SQL(" BEFORE {}").format(sql.Literal(first[0])) if first else sql.Composed([])
        text = sql.SQL("ALTER TYPE {} ADD VALUE IF NOT EXISTS {}{}").format(name, sql.Literal(value), place)
        texts.append(text.as_string())
    return Stage(
        what=f"add {len(additions)} value{'s' if len(additions) > 1 else ''} to the enum type {change.name}",
        why="the contract declares more values; no row is touched",
        lock=_NO_TABLE,
        is_transactional=False,  # a value that was just added may not be used before its transaction commits
        is_reversible=False,
        sql=tuple(texts),
        changes=(change,),
    )


def _created(domain: Domain, change: Change, kind: str, text: str, description: str | None) -> Stage:
    words = {"enum type": ("TYPE", sql.SQL("DROP TYPE {}")), "sequence": ("SEQUENCE", sql.SQL("DROP SEQUENCE {}"))}
    word, drop = words[kind]
    schemas = [
        statement.sql
        for statement in statements(domain)
        if statement.kind is StatementKind.SCHEMA and statement.schema == change.schema
    ]
    comments = [object_comment(word, change.schema, change.name, description)] if description else []
    return Stage(
        what=f"create the {kind} {change.name}",
        why="declared, and missing in the database",
        lock=_NO_TABLE,
        sql=(*schemas, text, *comments),
        rollback_sql=(drop.format(sql.Identifier(change.schema, change.name)).as_string(),),
        changes=(change,),
    )


def _comment(change: Change, word: str) -> Stage:
    return Stage(
        what=f"comment on {change.qualified_table}",
        why="the comment differs from the contract's description",
        lock=_NO_TABLE,
        sql=(object_comment(word, change.schema, change.name, change.declared),),
        rollback_sql=(object_comment(word, change.schema, change.name, change.observed),),
        changes=(change,),
    )


def _enum_type(domain: Domain, change: Change) -> EnumTypeContract:
    return next(each for each in domain.enum_types if (each.schema, each.name) == (change.schema, change.name))


def _sequence(domain: Domain, change: Change) -> SequenceContract:
    return next(each for each in domain.sequences if (each.schema, each.name) == (change.schema, change.name))


def _every_word(declared: SequenceContract) -> list[str]:
    """The declared options and the usual value for each that is left out; where it began is left as it is."""
    given = {name: value for name, value in declared.options.items() if name != "start"}
    usual = {"minimum": "NO MINVALUE", "maximum": "NO MAXVALUE"}
    words = sequence_words({"type": "bigint", "increment": 1, "cache": 1} | given, where=declared.qualified_name)
    words += [word for name, word in usual.items() if name not in given]
    return [*words, *([] if given.get("cycle") is True else ["NO CYCLE"])]


def _values(text: str) -> tuple[str, ...]:
    """The values in the comparison's text of an enum type, read by PostgreSQL's own grammar."""
    from pglast import parse_sql

    statement = parse_sql(f"SELECT ARRAY[{text.removeprefix('ENUM (').removesuffix(')')}]::text[]")[0].stmt
    elements = statement.targetList[0].val.arg.elements or ()  # type: ignore[union-attr]
    return tuple(element.val.sval for element in elements)
