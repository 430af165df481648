"""From a comparison to a plan: which difference is repaired how, in an order that works.

Order: leftovers of an interrupted migration, renames, columns, keys, new tables, checks, partitions, indexes, foreign
keys, comments. An unknown thing in the database is reported and left alone; what would lose data or rewrite a table is
refused with the safe way. A migration that was interrupted is resumed by planning again.
"""

from __future__ import annotations

from collections.abc import Callable

from groundwork.change import columns, constraints, indexes, tables
from groundwork.change.stage import MigrationPlan, Refusal, Stage
from groundwork.change.subject import Subject
from groundwork.change.wording import NOT_NULL_SCAFFOLD, SCAFFOLD
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.diff import Change, ChangeKind, Diff, ObjectType

_Builder = Callable[[Subject, Change], Stage | Refusal | None]
_BUILDERS: dict[ObjectType, _Builder] = {  # in the order of the stages, new tables after the unique keys
    ObjectType.PARTITION_KEY: lambda _, change: tables.partition_key(change),
    ObjectType.COLUMN: columns.column,
    ObjectType.COLUMN_TYPE: columns.type_,
    ObjectType.COLUMN_GENERATED: lambda _, change: columns.generated(change),
    ObjectType.COLUMN_IDENTITY: lambda _, change: columns.identity(change),
    ObjectType.COLUMN_DEFAULT: columns.default,
    ObjectType.COLUMN_NULLABILITY: lambda _, change: columns.nullability(change),
    ObjectType.PRIMARY_KEY: constraints.key,
    ObjectType.UNIQUE_KEY: constraints.key,
    ObjectType.TABLE: lambda _, __: None,
    ObjectType.CHECK: constraints.check,
    ObjectType.PARTITION: tables.partition,
    ObjectType.INDEX: indexes.index,
    ObjectType.FOREIGN_KEY: constraints.foreign_key,
    ObjectType.TABLE_COMMENT: lambda _, change: tables.comment(change),
    ObjectType.COLUMN_COMMENT: lambda _, change: columns.comment(change),
}


def plan_migration(domain: Domain, diff: Diff) -> MigrationPlan:
    """What to do so that `diff` becomes empty, as far as that loses nothing and rewrites nothing.

    Raises: ConfigError when the contracts themselves cannot be turned into tables.
    """
    subject = Subject(domain=domain, built=metadata(domain), diff=diff)
    stages: list[Stage] = []
    refusals: list[Refusal] = []
    left_alone: list[Change] = []
    for change in sorted(diff.changes, key=_rank):
        if _is_missing_table(change):
            continue
        found = _planned(subject, change)
        if isinstance(found, Stage):
            stages.append(found)
        elif isinstance(found, Refusal):
            refusals.append(found)
        else:
            left_alone.append(change)
    _insert_new_tables(subject, stages)
    return MigrationPlan(domain=domain, stages=tuple(stages), refusals=tuple(refusals), left_alone=tuple(left_alone))


def _planned(subject: Subject, change: Change) -> Stage | Refusal | None:
    if _is_scaffold(change):
        return indexes.scaffold(change) if change.object_type is ObjectType.INDEX else constraints.scaffold(change)
    return _BUILDERS[change.object_type](subject, change)


def _rank(change: Change) -> tuple[int, int]:
    if _is_scaffold(change):
        return (0, 0)
    if change.kind is ChangeKind.RENAMED:
        return (1, 0)
    return (2, list(_BUILDERS).index(change.object_type))


def _is_missing_table(change: Change) -> bool:
    return change.object_type is ObjectType.TABLE and change.kind is ChangeKind.MISSING


def _is_scaffold(change: Change) -> bool:
    if change.kind is not ChangeKind.EXTRA:
        return False
    if change.object_type is ObjectType.CHECK and change.name.startswith(NOT_NULL_SCAFFOLD):
        return True
    replaceable = (ObjectType.CHECK, ObjectType.FOREIGN_KEY, ObjectType.INDEX)
    return change.object_type in replaceable and change.name.endswith(SCAFFOLD)


def _insert_new_tables(subject: Subject, stages: list[Stage]) -> None:
    missing = tuple(change for change in subject.diff.changes if _is_missing_table(change))
    if not missing:
        return
    order = list(_BUILDERS)
    later = order.index(ObjectType.TABLE)
    place = sum(1 for stage in stages if _rank(stage.changes[0]) < (2, later))
    stages.insert(place, tables.new_tables(subject, missing))
