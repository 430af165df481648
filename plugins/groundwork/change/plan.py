"""From a comparison to a plan: which difference is repaired how, in an order that works.

Order: leftovers of an interrupted migration, renames, what could not live through another type of its column, types,
columns, keys, new tables, checks, partitions, indexes, foreign keys, comments, and last what is dropped. An unknown
thing in the database is reported and left alone; what would lose data or keep others waiting is refused with the safe
way, unless the caller accepts it. A migration that was interrupted is resumed by planning again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from groundwork.change import columns, constraints, drops, enum_rebuild, enum_types, indexes, rewrites, tables
from groundwork.change.facts import Facts
from groundwork.change.stage import Acceptance, MigrationPlan, Place, Refusal, Stage, place_of
from groundwork.change.subject import Subject
from groundwork.change.wording import NOT_NULL_SCAFFOLD, SCAFFOLD
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.diff import Change, ChangeKind, Diff, ObjectType

_Builder = Callable[[Subject, Change], Stage | Refusal | None]
_BUILDERS: dict[ObjectType, _Builder] = {  # in the order of the stages, new tables after the unique keys
    ObjectType.ENUM_TYPE: enum_rebuild.enum_type,
    ObjectType.SEQUENCE: enum_types.sequence,
    ObjectType.PARTITION_KEY: lambda _, change: tables.partition_key(change),
    ObjectType.COLUMN: columns.column,
    ObjectType.COLUMN_TYPE: rewrites.type_,
    ObjectType.COLUMN_GENERATED: rewrites.generated,
    ObjectType.COLUMN_IDENTITY: rewrites.identity,
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
    ObjectType.ENUM_TYPE_COMMENT: lambda _, change: enum_types.enum_type_comment(change),
    ObjectType.SEQUENCE_COMMENT: lambda _, change: enum_types.sequence_comment(change),
    ObjectType.GRANT: lambda _, __: None,  # given and taken by governance, which knows the policies
}
_DROPS: dict[ObjectType, _Builder] = {  # in the order in which nothing stands on what is dropped
    ObjectType.FOREIGN_KEY: drops.constraint,
    ObjectType.CHECK: drops.constraint,
    ObjectType.INDEX: drops.index,
    ObjectType.UNIQUE_KEY: drops.constraint,
    ObjectType.PRIMARY_KEY: drops.constraint,
    ObjectType.COLUMN: drops.column,
    ObjectType.PARTITION: drops.partition,
    ObjectType.ENUM_TYPE: drops.standing_alone,
    ObjectType.SEQUENCE: drops.standing_alone,
}
_STANDING = (  # what stands on columns, and may not live through another type of theirs
    ObjectType.FOREIGN_KEY,
    ObjectType.CHECK,
    ObjectType.INDEX,
    ObjectType.UNIQUE_KEY,
    ObjectType.PRIMARY_KEY,
)
_BEFORE_DROPPED_TYPES = list(_DROPS).index(ObjectType.ENUM_TYPE)


def plan_migration(
    domain: Domain,
    diff: Diff,
    *,
    facts: Facts | None = None,
    accept: frozenset[Acceptance] = frozenset(),
    concerning: Collection[Place] | None = None,
) -> MigrationPlan:
    """What to do so that `diff` becomes empty, as far as that loses nothing and keeps nobody waiting.

    With `facts` small tables may be rewritten in place. With `accept`, a big table may be rewritten too (`rewrite`),
    and what no contract declares is dropped (`loss`); what is to be dropped goes last. With `concerning` only the
    differences at those places are planned for.
    Raises: ConfigError when the contracts themselves cannot be turned into tables.
    """
    subject = Subject(domain=domain, built=metadata(domain), diff=diff, facts=facts or Facts(), accept=accept)
    stages: list[Stage] = []
    refusals: list[Refusal] = []
    left_alone: list[Change] = []
    settled: set[Change] = set()
    wanted = [change for change in diff.changes if concerning is None or place_of(change) in concerning]
    for change in sorted(wanted, key=partial(_rank, subject)):
        if _is_whole_table(change) or change in settled:
            continue
        found = _planned(subject, change)
        if isinstance(found, Stage):
            stages.append(found)
            settled.update(found.changes)
        elif isinstance(found, Refusal):
            refusals.append(found)
        else:
            left_alone.append(change)
    _insert_new_tables(subject, wanted, stages)
    left_alone += _insert_dropped_tables(subject, wanted, stages)
    _insert_taken_down(subject, wanted, stages)
    return MigrationPlan(
        domain=domain,
        accept=accept,
        small_bytes=facts.small_bytes if facts else None,
        stages=tuple(stages),
        refusals=tuple(refusals),
        left_alone=tuple(left_alone),
    )


def _planned(subject: Subject, change: Change) -> Stage | Refusal | None:
    if _is_scaffold(change):
        return indexes.scaffold(change) if change.object_type is ObjectType.INDEX else constraints.scaffold(change)
    if _is_drop(change):
        return _DROPS[change.object_type](subject, change)
    builder = _BUILDERS.get(change.object_type)
    if builder is None:
        return Refusal(
            change=change, reason="no migration is known for this kind of difference", safe_way="change it by hand"
        )
    return builder(subject, change)


def _rank(subject: Subject, change: Change) -> tuple[int, int]:
    if _is_scaffold(change):
        return (0, 0)
    if change.kind is ChangeKind.RENAMED:
        return (1, 0)
    if _is_drop(change):
        drop = list(_DROPS).index(change.object_type)
        return (1, 1 + drop) if change.object_type in _STANDING and subject.stands_on_retyped(change) else (3, drop)
    return (2, list(_BUILDERS).index(change.object_type) if change.object_type in _BUILDERS else len(_BUILDERS))


def _is_drop(change: Change) -> bool:
    return change.kind is ChangeKind.EXTRA and change.object_type in _DROPS


def _is_whole_table(change: Change) -> bool:
    return change.object_type is ObjectType.TABLE


def _is_missing_table(change: Change) -> bool:
    return change.object_type is ObjectType.TABLE and change.kind is ChangeKind.MISSING


def _is_scaffold(change: Change) -> bool:
    if change.kind is not ChangeKind.EXTRA:
        return False
    if change.object_type is ObjectType.CHECK and change.name.startswith(NOT_NULL_SCAFFOLD):
        return True
    replaceable = (ObjectType.CHECK, ObjectType.FOREIGN_KEY, ObjectType.INDEX)
    return change.object_type in replaceable and change.name.endswith(SCAFFOLD)


def _insert_new_tables(subject: Subject, wanted: Sequence[Change], stages: list[Stage]) -> None:
    missing = tuple(change for change in wanted if _is_missing_table(change))
    if not missing:
        return
    order = list(_BUILDERS)
    later = order.index(ObjectType.TABLE)
    place = sum(1 for stage in stages if _rank(subject, stage.changes[0]) < (2, later))
    stages.insert(place, tables.new_tables(subject, missing))


def _insert_taken_down(subject: Subject, wanted: Sequence[Change], stages: list[Stage]) -> None:
    """Put what goes before another type of its column, to be built again after it, behind the renames."""
    place = sum(1 for stage in stages if _rank(subject, stage.changes[0]) < (2, 0))
    indexes_changed = [change for change in wanted if change.object_type is ObjectType.INDEX]
    stages[place:place] = [stage for change in indexes_changed if (stage := indexes.taken_down(subject, change))]


def _insert_dropped_tables(subject: Subject, wanted: Sequence[Change], stages: list[Stage]) -> list[Change]:
    """Put the dropping of tables before that of types and sequences; what is left alone instead."""
    extra = [change for change in wanted if _is_whole_table(change) and change.kind is ChangeKind.EXTRA]
    stage = drops.tables(subject, extra)
    if stage is None:
        return extra
    place = sum(1 for each in stages if _rank(subject, each.changes[0]) < (3, _BEFORE_DROPPED_TYPES))
    stages.insert(place, stage)
    return []
