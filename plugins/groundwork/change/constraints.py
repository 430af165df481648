"""Stages for keys, checks and foreign keys: added without blocking writers while rows are checked."""

from __future__ import annotations

from psycopg import sql

from groundwork.change import wording
from groundwork.change.stage import Refusal, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.diff import Change, ChangeKind, ObjectType

_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"
_CHECKING = "SHARE UPDATE EXCLUSIVE while rows are checked"


def key(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A primary or unique key: its index is built beside the traffic, then becomes the key."""
    if change.kind is ChangeKind.EXTRA:
        return None
    if change.kind is ChangeKind.RENAMED:
        return rename(change)
    if change.kind is ChangeKind.CHANGED:
        return Refusal(
            change=change,
            reason="foreign keys and upserts may stand on the present key",
            safe_way="declare the new key under a new name, move what stands on the old one, then drop that by hand",
        )
    if subject.is_partitioned(change):
        return _key_of_partitioned(subject, change)
    words, columns = _key_parts(subject, change)
    leftover = subject.has_extra_index(change, change.name)
    drop = wording.drop_index(change.schema, change.name)
    return Stage(
        what=f"add the {change.object_type} {change.name} to {change.table}",
        why="declared, and missing in the database",
        lock=f"SHARE UPDATE EXCLUSIVE while its index is built; {_BRIEF_LOCK}",
        is_transactional=False,
        sql=(
            *((drop,) if leftover else ()),
            wording.unique_index(change.schema, change.table, change.name, columns),
            wording.constraint_from_index(change.schema, change.table, change.name, words),
        ),
        rollback_sql=(wording.drop_constraint(change.schema, change.table, change.name), drop),
        changes=(change,),
    )


def _key_parts(subject: Subject, change: Change) -> tuple[wording.KeyWords, tuple[str, ...]]:
    contract = subject.contract(change)
    if change.object_type is ObjectType.PRIMARY_KEY:
        return "PRIMARY KEY", contract.primary_key
    return "UNIQUE", next(item.columns for item in contract.unique_keys if item.name == change.name)


def _key_of_partitioned(subject: Subject, change: Change) -> Stage:
    words, columns = _key_parts(subject, change)
    action = sql.SQL("ADD CONSTRAINT {} {} ({})").format(
        sql.Identifier(change.name), sql.SQL(words), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    return Stage(
        what=f"add the {change.object_type} {change.name} to {change.table}",
        why="declared, and missing; on a partitioned table PostgreSQL builds it in one go",
        lock="ACCESS EXCLUSIVE while the indexes of all partitions are built",
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
            is_reversible=False,
            sql=(wording.validate_constraint(*place, change.name),),
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
        is_reversible=False,
        sql=(
            wording.drop_constraint(*place, scaffold),
            wording.add_constraint(derived, is_validated=False, name=scaffold),
            wording.validate_constraint(*place, scaffold),
            wording.drop_constraint(*place, change.name),
            wording.rename_constraint(*place, scaffold, change.name),
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
        is_reversible=False,
        sql=(wording.drop_constraint(change.schema, change.table, change.name),),
        changes=(change,),
    )
