"""Stages for keys, checks and foreign keys: added without blocking writers while rows are checked."""

from __future__ import annotations

from psycopg import sql

from groundwork.change import restore, wording
from groundwork.change.stage import Refusal, Risk, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.diff import Change, ChangeKind

_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"
_CHECKING = "SHARE UPDATE EXCLUSIVE while rows are checked"


def key(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A primary or unique key: its index is built beside the traffic, then becomes the key."""
    if change.kind is ChangeKind.EXTRA:
        return None
    if change.kind is ChangeKind.RENAMED:
        return rename(change)
    if change.kind is ChangeKind.CHANGED:
        return _replaced(subject, change)
    if subject.is_partitioned(change):
        return _key_of_partitioned(subject, change)
    leftover = subject.has_extra_index(change, change.name)
    drop = wording.drop_index(change.schema, change.name)
    return Stage(
        what=f"add the {change.object_type} {change.name} to {change.table}",
        why="declared, and missing in the database",
        lock=f"SHARE UPDATE EXCLUSIVE while its index is built; {_BRIEF_LOCK}",
        is_transactional=False,
        sql=(
            *((drop,) if leftover else ()),
            wording.unique_index(change.schema, change.table, change.name, str(change.declared)),
            wording.constraint_from_index(change.schema, change.table, change.name, str(change.declared)),
        ),
        rollback_sql=(wording.drop_constraint(change.schema, change.table, change.name), drop),
        changes=(change,),
    )


def _replaced(subject: Subject, change: Change) -> Stage | Refusal:
    """Another key under the same name: its index is built beside the traffic, then takes the old one's place."""
    if subject.is_partitioned(change) or subject.is_referred_to(change):
        return Refusal(
            change=change,
            reason="foreign keys stand on the present key, or the table is partitioned",
            safe_way="declare the new key under a new name, move what stands on the old one, then drop that by hand",
        )
    aid = wording.scaffold_name(change.name)
    place = (change.schema, change.table)

    def steps(definition: str) -> tuple[str, ...]:
        return (
            wording.drop_index(change.schema, aid),
            wording.unique_index(*place, aid, definition),
            wording.exchange_key(*place, change.name, aid, definition),
        )

    return Stage(
        what=f"replace the {change.object_type} {change.name} of {change.table}",
        why="its definition differs from the contract; the old one goes in the moment in which the new one comes",
        lock=f"SHARE UPDATE EXCLUSIVE while its index is built; {_BRIEF_LOCK}",
        is_transactional=False,
        sql=steps(str(change.declared)),
        rollback_sql=steps(str(change.observed)),
        changes=(change,),
    )


def _key_of_partitioned(subject: Subject, change: Change) -> Stage:
    action = sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(change.name), wording.trusted(str(change.declared)))
    return Stage(
        what=f"add the {change.object_type} {change.name} to {change.table}",
        why=f"declared, and missing; on a partitioned table PostgreSQL builds it in one go; {subject.size(change)}",
        lock="ACCESS EXCLUSIVE while the indexes of all partitions are built",
        risk=Risk.NONE if subject.facts.is_small(change.qualified_table) else Risk.LOCKS,
        sql=(wording.alter_table(change.schema, change.table, action),),
        rollback_sql=(wording.drop_constraint(change.schema, change.table, change.name),),
        changes=(change,),
    )


def check(subject: Subject, change: Change) -> Stage | None:
    """A check: added unvalidated, then validated; a different one replaced only after the new one holds."""
    return _checked(subject, change, lock=_BRIEF_LOCK)


def foreign_key(subject: Subject, change: Change) -> Stage | None:
    """A foreign key: added unvalidated, then validated; a different one replaced only after the new one holds."""
    return _checked(subject, change, lock="SHARE ROW EXCLUSIVE on both tables for a moment")


def _checked(subject: Subject, change: Change, *, lock: str) -> Stage | None:
    if change.kind is ChangeKind.EXTRA:
        return None
    if change.kind is ChangeKind.RENAMED:
        return rename(change)
    place = (change.schema, change.table)
    if change.kind is ChangeKind.CHANGED and change.observed == f"{change.declared} NOT VALID":
        return Stage(
            what=f"validate the {change.object_type} {change.name} of {change.table}",
            why="it is there but rows from before it were never checked",
            lock=_CHECKING,
            sql=(wording.validate_constraint(*place, change.name),),
            rollback_sql=(
                wording.drop_constraint(*place, change.name),
                *restore.constraint(*place, change.name, str(change.observed)),
            ),
            changes=(change,),
        )
    derived = subject.constraint(change)
    if change.kind is ChangeKind.MISSING:
        return Stage(
            what=f"add the {change.object_type} {change.name} to {change.table}",
            why="declared, and missing in the database",
            lock=f"{lock}; {_CHECKING}",
            is_transactional=False,
            sql=(
                wording.add_constraint(derived, is_validated=False),
                wording.validate_constraint(*place, change.name),
            ),
            rollback_sql=(wording.drop_constraint(*place, change.name),),
            changes=(change,),
        )
    scaffold = wording.scaffold_name(change.name)
    return Stage(
        what=f"replace the {change.object_type} {change.name} of {change.table}",
        why="its definition differs from the contract; the old one goes when the new one holds",
        lock=f"{lock}; {_CHECKING}",
        is_transactional=False,
        sql=(
            wording.drop_constraint(*place, scaffold),
            wording.add_constraint(derived, is_validated=False, name=scaffold),
            wording.validate_constraint(*place, scaffold),
            wording.drop_constraint(*place, change.name),
            wording.rename_constraint(*place, scaffold, change.name),
        ),
        rollback_sql=(
            wording.drop_constraint(*place, change.name),
            *restore.constraint(*place, change.name, str(change.observed)),
        ),
        changes=(change,),
    )


def rename(change: Change) -> Stage:
    """The same constraint under its declared name."""
    old, new = str(change.observed), str(change.declared)
    return Stage(
        what=f"rename the {change.object_type} {old} of {change.table} to {new}",
        why="the same definition is declared under another name",
        lock=_BRIEF_LOCK,
        sql=(wording.rename_constraint(change.schema, change.table, old, new),),
        rollback_sql=(wording.rename_constraint(change.schema, change.table, new, old),),
        changes=(change,),
    )


def scaffold(change: Change) -> Stage:
    """Removes a check that an interrupted migration left behind."""
    return Stage(
        what=f"remove the leftover {change.object_type} {change.name} of {change.table}",
        why="an earlier migration was interrupted and left its aid behind",
        lock=_BRIEF_LOCK,
        sql=(wording.drop_constraint(change.schema, change.table, change.name),),
        changes=(change,),
    )
