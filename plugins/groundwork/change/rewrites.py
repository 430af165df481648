"""Stages that change a column in place: its type, how it is generated, how it is numbered.

Done where the table is small or the caller accepts that others wait; a big table is refused with the safe way.
"""

from __future__ import annotations

import re

from psycopg import sql

from groundwork.change import restore, wording
from groundwork.change.stage import Refusal, Risk, Stage
from groundwork.change.subject import Subject
from groundwork.change.widening import TEXTS, is_widening
from groundwork.contracts.derive.ddl import comment_statement
from groundwork.contracts.diff import Change, ChangeKind, ObjectType

BUILD_BESIDE = (
    "add a column of the declared form under a new name, fill it in batches, switch readers to it, then retire this one"
)
_EXCLUSIVE = "ACCESS EXCLUSIVE while every row is written anew"
_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"
_SET_EXPRESSION_SINCE = 17
_VIRTUAL = " VIRTUAL"
_ALWAYS, _BY_DEFAULT = "always", "by default"


def type_(subject: Subject, change: Change) -> Stage | Refusal:
    """A type that is wider and stored the same is taken over; any other rewrites the table."""
    generation = subject.sibling(change, ObjectType.COLUMN_GENERATED)
    if generation is not None:
        return generated(subject, generation)
    old, new = str(change.observed), str(change.declared)
    widens = is_widening(old, new)
    if not widens and not subject.may_rewrite(change):
        return Refusal(
            change=change,
            reason=f"going from {old} to {new} rewrites the table or may lose values, and {subject.size(change)}",
            safe_way=f"{BUILD_BESIDE}; or accept `rewrite`, and others wait meanwhile",
        )
    is_checked = not widens and not subject.may_lose and not subject.facts.is_empty(change.qualified_table)
    guard = _guard(subject, change, old, new) if is_checked else ()
    risk = subject.losing_risk(change) if subject.may_lose else subject.rewriting_risk(change)
    said = "; it is checked first that every value stays the same" if guard else ""
    return Stage(
        what=f"{'widen' if widens else 'change'} {change.table}.{change.name} from {old} to {new}",
        why="the contract declares the wider type, which is stored in the same way"
        if widens
        else f"the contract declares another type; {subject.size(change)}{said}",
        lock=_BRIEF_LOCK if widens else _EXCLUSIVE,
        risk=Risk.NONE if widens else risk,
        sql=(*guard, *_to_type(subject, change, new, _declared_default(subject, change))),
        rollback_sql=(
            *_guard(subject, change, new, old),
            *_to_type(subject, change, old, _observed_default(subject, change), now=new),
        ),
        changes=_with_default(subject, change),
    )


def _guard(subject: Subject, change: Change, source: str, target: str) -> tuple[str, ...]:
    """A check that every value survives the way to another type and back, made and dropped; it fails by its name."""
    if _is_generated(subject, change):
        return ()
    name = sql.Identifier(wording.shortened(f"groundwork_{change.name}_would_lose_values"))
    column = sql.Identifier(change.name)
    back = _cast(subject, _cast(subject, column, source, target), target, source)
    check = sql.SQL("ADD CONSTRAINT {} CHECK (({})::text IS NOT DISTINCT FROM {}::text)").format(name, back, column)
    place = (change.schema, change.table)
    return (
        wording.alter_table(*place, check),
        wording.alter_table(*place, sql.SQL("DROP CONSTRAINT {}").format(name)),
    )


def _cast(subject: Subject, value: sql.Composable, source: str, target: str) -> sql.Composed:
    """`value` of one type as another; what cannot be cast directly goes by way of its text."""
    way = sql.SQL("({})::{}") if _casts(subject, source, target) else sql.SQL("({})::text::{}")
    return way.format(value, wording.trusted(_bare(target)))


def _is_generated(subject: Subject, change: Change) -> bool:
    shape = subject.shape(change)
    present = next((each for each in shape.columns if each.name == change.name), None) if shape else None
    return present is not None and present.generated is not None


def _with_default(subject: Subject, change: Change) -> tuple[Change, ...]:
    default = subject.sibling(change, ObjectType.COLUMN_DEFAULT)
    return (change, default) if default else (change,)


def _to_type(
    subject: Subject, change: Change, target: str, default: str | None, *, now: str | None = None
) -> tuple[str, ...]:
    """The column with another type and its default; a default of the old type cannot stay while the type changes."""
    place = (change.schema, change.table, change.name)
    source = now or str(change.observed)
    is_generated = _is_generated(subject, change)
    value = _cast(subject, sql.Identifier(change.name), source, target)
    using = sql.SQL("") if is_generated or is_widening(source, target) else sql.SQL(" USING {}").format(value)
    retyped = wording.alter_column(*place, sql.SQL("TYPE {}{}").format(wording.trusted(target), using))
    if is_generated:
        return (retyped,)
    drop = wording.alter_column(*place, sql.SQL("DROP DEFAULT"))
    again = (wording.alter_column(*place, wording.default_action(default)),) if default is not None else ()
    defaults = (default, _observed_default(subject, change), _declared_default(subject, change))
    return (retyped,) if all(each is None for each in defaults) else (drop, retyped, *again)


def _bare(target: str) -> str:
    return target.partition(" COLLATE ")[0]


def _declared_default(subject: Subject, change: Change) -> str | None:
    default = subject.sibling(change, ObjectType.COLUMN_DEFAULT)
    return default.declared if default else _observed_default(subject, change)


def _observed_default(subject: Subject, change: Change) -> str | None:
    default = subject.sibling(change, ObjectType.COLUMN_DEFAULT)
    if default is not None:
        return default.observed
    shape = subject.shape(change)
    return next((each.default for each in shape.columns if each.name == change.name), None) if shape else None


def _casts(subject: Subject, source: str, target: str) -> bool:
    """Whether a value can be cast directly; what cannot goes by way of its text."""
    first, second = _base(source), _base(target)
    is_text = first in TEXTS or second in TEXTS
    return first == second or is_text or (first, second) in subject.facts.casts


def _base(kind: str) -> str:
    return re.sub(r"\(.*?\)", "", _bare(kind)).strip()


def generated(subject: Subject, change: Change) -> Stage | Refusal:
    """Another generation: values are computed anew, kept as they are, or given way to computed ones."""
    shape = subject.shape(change)
    if shape is None or not subject.may_rewrite(change):
        return Refusal(
            change=change,
            reason=f"another generation rewrites the whole table under an exclusive lock, and {subject.size(change)}",
            safe_way=f"{BUILD_BESIDE}; or accept `rewrite`, and others wait meanwhile",
        )
    is_empty = subject.facts.is_empty(change.qualified_table)
    if change.kind is ChangeKind.MISSING and not subject.may_lose and not is_empty:
        return Refusal(
            change=change,
            reason="computed values would take the place of those that were written",
            safe_way=f"{BUILD_BESIDE}; or accept `loss`",
        )
    return Stage(
        what=f"change how {change.table}.{change.name} is generated",
        why=f"the contract declares another generation; {subject.size(change)}",
        lock=_EXCLUSIVE,
        risk=subject.losing_risk(change) if change.kind is ChangeKind.MISSING else subject.rewriting_risk(change),
        sql=_generated_as(subject, change, change.observed, change.declared),
        rollback_sql=_rebuilt(subject, change),
        changes=_column_changes(subject, change),
    )


def _column_changes(subject: Subject, change: Change) -> tuple[Change, ...]:
    """The change of generation with what else differs about the column that its making anew settles."""
    kinds = (
        ObjectType.COLUMN_TYPE,
        ObjectType.COLUMN_DEFAULT,
        ObjectType.COLUMN_NULLABILITY,
        ObjectType.COLUMN_COMMENT,
    )
    others = [subject.sibling(change, kind) for kind in kinds] if _is_made_anew(subject, change) else []
    return (change, *(other for other in others if other is not None))


def _is_made_anew(subject: Subject, change: Change) -> bool:
    retyped = subject.sibling(change, ObjectType.COLUMN_TYPE) is not None
    is_virtual = str(change.declared).endswith(_VIRTUAL) or str(change.observed).endswith(_VIRTUAL)
    can_set = subject.facts.server_version >= _SET_EXPRESSION_SINCE
    is_set = change.kind is ChangeKind.CHANGED and can_set
    is_dropped = change.kind is ChangeKind.EXTRA
    return retyped or is_virtual or not (is_set or is_dropped)


def _generated_as(subject: Subject, change: Change, old: str | None, new: str | None) -> tuple[str, ...]:
    place = (change.schema, change.table, change.name)
    if not _is_made_anew(subject, change):
        if new is None:
            return (wording.alter_column(*place, sql.SQL("DROP EXPRESSION")),)
        return (wording.alter_column(*place, sql.SQL("SET EXPRESSION AS ({})").format(wording.trusted(new))),)
    shape = subject.shape(change)
    added = wording.add_column(change.schema, change.table, subject.column(change))
    again = restore.dependents(shape, change.name) if shape else ()
    declared = subject.contract(change).column(change.name)
    comment = (
        (comment_statement(change.schema, change.table, change.name, declared.description),)
        if declared.description
        else ()
    )
    return (_dropped(change), added, *comment, *again)


def _rebuilt(subject: Subject, change: Change) -> tuple[str, ...]:
    """The column as it was, with what stood on it."""
    if not _is_made_anew(subject, change) and change.observed is not None and change.declared is not None:
        action = sql.SQL("SET EXPRESSION AS ({})").format(wording.trusted(change.observed))
        return (wording.alter_column(change.schema, change.table, change.name, action),)
    shape = subject.shape(change)
    if shape is None:
        return ()
    before = next(each for each in shape.columns if each.name == change.name)
    return (_dropped(change), *restore.column(shape, before), *restore.dependents(shape, change.name))


def _dropped(change: Change) -> str:
    return wording.alter_table(
        change.schema, change.table, sql.SQL("DROP COLUMN {}").format(sql.Identifier(change.name))
    )


def identity(subject: Subject, change: Change) -> Stage | Refusal:
    """`always` and `by default` are exchanged, added after the largest number there is, or dropped."""
    words = {_ALWAYS: sql.SQL("ALWAYS"), _BY_DEFAULT: sql.SQL("BY DEFAULT")}
    known = {None, _ALWAYS, _BY_DEFAULT}
    if change.declared not in known or change.observed not in known:
        return Refusal(
            change=change,
            reason="the numbers already given out are not known to the contract",
            safe_way="ALTER COLUMN … ADD GENERATED … AS IDENTITY (START WITH the next free number), or DROP IDENTITY",
        )

    def to(source: str | None, target: str | None) -> tuple[str, ...]:
        place = (change.schema, change.table, change.name)
        if target is None:
            return (wording.alter_column(*place, sql.SQL("DROP IDENTITY")),)
        if source is not None:
            return (wording.alter_column(*place, sql.SQL("SET GENERATED {}").format(words[target])),)
        added = wording.alter_column(*place, sql.SQL("ADD GENERATED {} AS IDENTITY").format(words[target]))
        counted = sql.SQL(
            "SELECT setval(pg_get_serial_sequence({}, {}), (SELECT coalesce(max({}), 0) + 1 FROM {}), false)"
        ).format(
            sql.Literal(sql.Identifier(change.schema, change.table).as_string()),
            sql.Literal(change.name),
            sql.Identifier(change.name),
            sql.Identifier(change.schema, change.table),
        )
        return (added, counted.as_string())

    return Stage(
        what=f"number {change.table}.{change.name} {change.declared or 'by hand'}",
        why="the contract declares the other form of identity; numbers go on after the largest one there is",
        lock=_BRIEF_LOCK,
        sql=to(change.observed, change.declared),
        rollback_sql=to(change.declared, change.observed),
        changes=(change,),
    )
