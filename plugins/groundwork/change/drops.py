"""Stages for what the database has and no contract declares: left alone, or dropped when the caller accepts the loss.

Nothing is dropped by CASCADE: what stands on something is dropped by its own stage before, or the server refuses. Every
stage can make the form again, without the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from groundwork.change import restore, wording
from groundwork.change.stage import Risk, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.derive.ddl import object_comment
from groundwork.contracts.diff import Change, ObjectType
from groundwork.model.shape import ColumnShape

_WHY = "no contract declares it, and its loss is accepted"
_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"


def constraint(subject: Subject, change: Change) -> Stage | None:
    """A key, check or foreign key that nobody declares."""
    if not subject.may_lose:
        return None
    return Stage(
        what=f"drop the {change.object_type} {change.name} of {change.table}",
        why=_WHY,
        lock=_BRIEF_LOCK,
        risk=subject.losing_risk(change),
        is_transactional=False,
        sql=(wording.drop_constraint(change.schema, change.table, change.name),),
        rollback_sql=restore.constraint(change.schema, change.table, change.name, str(change.observed)),
        changes=(change,),
    )


def index(subject: Subject, change: Change) -> Stage | None:
    """An index that nobody declares."""
    if not subject.may_lose:
        return None
    shape = subject.shape(change)
    is_partitioned = bool(shape and shape.partition_key)
    return Stage(
        what=f"drop the index {change.name} of {change.table}",
        why=_WHY,
        lock=_BRIEF_LOCK if is_partitioned else "SHARE UPDATE EXCLUSIVE; reads and writes go on",
        risk=subject.losing_risk(change),
        is_transactional=False,
        sql=(wording.drop_index(change.schema, change.name, is_concurrent=not is_partitioned),),
        rollback_sql=(
            restore.index(
                change.schema, change.table, change.name, str(change.observed), is_concurrent=not is_partitioned
            ),
        ),
        changes=(change,),
    )


def column(subject: Subject, change: Change) -> Stage | None:
    """A column that nobody declares; what stood on it was dropped before."""
    shape = subject.shape(change)
    if not subject.may_lose or shape is None:
        return None
    before = next(each for each in shape.columns if each.name == change.name)
    action = sql.SQL("DROP COLUMN {}").format(sql.Identifier(change.name))
    return Stage(
        what=f"drop the column {change.table}.{change.name}",
        why=_WHY,
        lock=_BRIEF_LOCK,
        risk=subject.losing_risk(change),
        sql=(wording.alter_table(change.schema, change.table, action),),
        is_reversible=subject.facts.is_empty(change.qualified_table) or not _needs_value(before),
        rollback_sql=restore.column(shape, before),
        changes=(change,),
    )


def _needs_value(shape: ColumnShape) -> bool:
    """Whether rows that exist could not have the column back without somebody giving them a value."""
    return not shape.nullable and shape.default is None and shape.generated is None and shape.identity is None


def partition(subject: Subject, change: Change) -> Stage | None:
    """A partition that nobody declares, with its rows."""
    if not subject.may_lose:
        return None
    return Stage(
        what=f"drop the partition {change.name} of {change.table}",
        why=_WHY,
        lock="ACCESS EXCLUSIVE on the table for a moment",
        risk=subject.losing_risk(change),
        sql=(sql.SQL("DROP TABLE {}").format(sql.Identifier(change.schema, change.name)).as_string(),),
        rollback_sql=(restore.partition_of(change.schema, change.table, change.name, str(change.observed)),),
        changes=(change,),
    )


def tables(subject: Subject, changes: Sequence[Change]) -> Stage | None:
    """All tables that nobody declares, in one statement, since they may refer to one another."""
    shapes = [subject.shape(change) for change in changes]
    if not subject.may_lose or not changes or any(shape is None for shape in shapes):
        return None
    names = [sql.Identifier(change.schema, change.table) for change in changes]
    known = [shape for shape in shapes if shape is not None]
    is_empty = all(subject.facts.is_empty(change.qualified_table) for change in changes)
    return Stage(
        what=f"drop {len(changes)} table{'s' if len(changes) > 1 else ''}: {', '.join(each.table for each in changes)}",
        why=_WHY,
        lock="ACCESS EXCLUSIVE on them and on tables that they refer to, for a moment",
        risk=Risk.NONE if is_empty else Risk.LOSES,
        sql=(sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(names)).as_string(),),
        rollback_sql=(
            *(statement for shape in known for statement in restore.made_table(shape)),
            *(statement for shape in known for statement in restore.foreign_keys(shape)),
        ),
        changes=tuple(changes),
    )


def standing_alone(subject: Subject, change: Change) -> Stage | None:
    """An enum type or a sequence that nobody declares."""
    if not subject.may_lose:
        return None
    is_type = change.object_type is ObjectType.ENUM_TYPE
    name = sql.Identifier(change.schema, change.name)
    drop = sql.SQL("DROP TYPE {}") if is_type else sql.SQL("DROP SEQUENCE {}")
    make = sql.SQL("CREATE TYPE {} AS {}") if is_type else sql.SQL("CREATE SEQUENCE {} {}")
    text = str(change.observed) if is_type else str(change.observed).removeprefix("SEQUENCE").strip()
    observed = subject.facts.observed
    found = observed.enum_types if is_type else observed.sequences
    comment = next((each.comment for each in found if (each.schema, each.name) == (change.schema, change.name)), None)
    word = "TYPE" if is_type else "SEQUENCE"
    described = (object_comment(word, change.schema, change.name, comment),) if comment else ()
    return Stage(
        what=f"drop the {change.object_type} {change.name}",
        why=_WHY,
        lock="none on a table",
        sql=(drop.format(name).as_string(),),
        rollback_sql=(make.format(name, wording.trusted(text)).as_string(), *described),
        changes=(change,),
    )
