"""Stages for indexes: built beside the traffic, on partitioned tables partition by partition."""

from __future__ import annotations

from groundwork.change import restore, wording
from groundwork.change.stage import Stage
from groundwork.change.subject import Subject
from groundwork.contracts.diff import Change, ChangeKind

_BESIDE_TRAFFIC = "SHARE UPDATE EXCLUSIVE; reads and writes go on"


def index(subject: Subject, change: Change) -> Stage | None:
    """An index as declared; an unknown one is left alone."""
    if change.kind is ChangeKind.EXTRA:
        return None
    if change.kind is ChangeKind.RENAMED:
        return _rename(change)
    if subject.is_partitioned(change):
        return _of_partitioned(subject, change)
    if change.kind is ChangeKind.MISSING or taken_down(subject, change):
        return _missing(subject, change)
    if change.observed == f"{change.declared} INVALID":
        return _broken(subject, change)
    return _replaced(subject, change)


def scaffold(change: Change) -> Stage:
    """Removes an index that an interrupted migration left behind."""
    return Stage(
        what=f"remove the leftover index {change.name} of {change.table}",
        why="an earlier migration was interrupted and left its aid behind",
        lock=_BESIDE_TRAFFIC,
        is_transactional=False,
        sql=(wording.drop_index(change.schema, change.name),),
        changes=(change,),
    )


def taken_down(subject: Subject, change: Change) -> Stage | None:
    """The old form of an index that could not live through the new type of its column; null for any other."""
    if change.kind is not ChangeKind.CHANGED or subject.is_partitioned(change) or not subject.stands_on_retyped(change):
        return None
    definition = str(change.observed)
    return Stage(
        what=f"drop the old index {change.name} of {change.table}",
        why="a column in it goes to another type, and the contract declares another index in its place",
        lock=_BESIDE_TRAFFIC,
        risk=subject.rewriting_risk(change),
        is_transactional=False,
        sql=(wording.drop_index(change.schema, change.name),),
        rollback_sql=(restore.index(change.schema, change.table, change.name, definition),),
        changes=(change,),
    )


def _missing(subject: Subject, change: Change) -> Stage:
    drop = wording.drop_index(change.schema, change.name)
    return Stage(
        what=f"create the index {change.name} on {change.table}",
        why=_reason(subject, change) or "declared, and missing in the database",
        lock=_BESIDE_TRAFFIC,
        is_transactional=False,
        sql=(wording.create_index(subject.index(change), name=change.name, table=change.table),),
        rollback_sql=(drop,),
        changes=(change,),
    )


def _broken(subject: Subject, change: Change) -> Stage:
    drop = wording.drop_index(change.schema, change.name)
    return Stage(
        what=f"build the index {change.name} on {change.table} again",
        why="its build was interrupted: the server maintains it but never uses it",
        lock=_BESIDE_TRAFFIC,
        is_transactional=False,
        sql=(drop, wording.create_index(subject.index(change), name=change.name, table=change.table)),
        changes=(change,),
    )


def _replaced(subject: Subject, change: Change) -> Stage:
    aid = wording.scaffold_name(change.name)
    return Stage(
        what=f"replace the index {change.name} on {change.table}",
        why="its definition differs from the contract; the old one goes when the new one is there",
        lock=_BESIDE_TRAFFIC,
        is_transactional=False,
        sql=(
            wording.drop_index(change.schema, aid),
            wording.create_index(subject.index(change), name=aid, table=change.table),
            wording.drop_index(change.schema, change.name),
            wording.rename_index(change.schema, aid, change.name),
        ),
        rollback_sql=(
            wording.drop_index(change.schema, aid),
            restore.index(change.schema, change.table, aid, str(change.observed)),
            wording.drop_index(change.schema, change.name),
            wording.rename_index(change.schema, aid, change.name),
        ),
        changes=(change,),
    )


def _of_partitioned(subject: Subject, change: Change) -> Stage:
    """CONCURRENTLY does not exist for a partitioned table: an empty shell first, then each partition's own."""
    derived = subject.index(change)
    is_there = change.kind is not ChangeKind.MISSING
    statements = [wording.drop_index(change.schema, change.name, is_concurrent=False)] if is_there else []
    shell = wording.create_index(
        derived, name=change.name, table=change.table, is_concurrent=False, is_only_parent=True
    )
    statements.append(shell)
    for partition in subject.partition_names(change):
        child = wording.shortened(f"{change.name}_{partition.removeprefix(f'{change.table}_')}")
        if is_there:
            statements.append(wording.drop_index(change.schema, child))
        statements.append(wording.create_index(derived, name=child, table=partition))
        statements.append(wording.attach_index(change.schema, change.name, child))
    before = (
        (restore.index(change.schema, change.table, change.name, str(change.observed), is_concurrent=False),)
        if is_there
        else ()
    )
    return Stage(
        what=f"{'build again' if is_there else 'create'} the index {change.name} on {change.table}, "
        "partition by partition",
        why=_reason(subject, change) or "declared, and missing or unusable in the database",
        lock=f"{_BESIDE_TRAFFIC}" + ("; ACCESS EXCLUSIVE for a moment to drop the old one" if is_there else ""),
        is_transactional=False,
        sql=tuple(statements),
        rollback_sql=(wording.drop_index(change.schema, change.name, is_concurrent=False), *before),
        changes=(change,),
    )


def _reason(subject: Subject, change: Change) -> str | None:
    return next((item.reason for item in subject.contract(change).indexes if item.name == change.name), None)


def _rename(change: Change) -> Stage:
    old, new = str(change.observed), str(change.declared)
    return Stage(
        what=f"rename the index {old} of {change.table} to {new}",
        why="the same definition is declared under another name",
        lock="SHARE UPDATE EXCLUSIVE on the index",
        sql=(wording.rename_index(change.schema, old, new),),
        rollback_sql=(wording.rename_index(change.schema, new, old),),
        changes=(change,),
    )
