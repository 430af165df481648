"""Stages for columns: what needs no rewrite and loses nothing is done, the rest refused with the safe way."""

from __future__ import annotations

from psycopg import sql

from groundwork.change import drops, wording
from groundwork.change.rewrites import BUILD_BESIDE
from groundwork.change.stage import Refusal, Risk, Stage
from groundwork.change.subject import Subject
from groundwork.change.tables import comment_stage
from groundwork.contracts.contract import ColumnContract
from groundwork.contracts.derive.ddl import comment_statement
from groundwork.contracts.diff import Change, ChangeKind
from groundwork.contracts.fragment import parse_expression

_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"
_WHY = "declared, and missing in the database"


def column(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A missing column is added, without touching rows where the table is big; an unknown one is left or dropped."""
    if change.kind is ChangeKind.EXTRA:
        return drops.column(subject, change)
    declared = subject.contract(change).column(change.name)
    rewriting = _rewriting(declared)
    if rewriting and not subject.may_rewrite(change):
        if _is_filled_later(declared):
            return _filled(subject, change, declared)
        return Refusal(
            change=change,
            reason=f"{rewriting}, and {subject.size(change)}",
            safe_way=f"{BUILD_BESIDE}; or accept `rewrite`, and others wait meanwhile",
        )
    if rewriting:
        statements: tuple[str, ...] = (wording.add_column(change.schema, change.table, subject.column(change)),)
    else:
        statements = _added(subject, change, declared)
    if declared.description:
        comment = comment_statement(change.schema, change.table, change.name, declared.description)
        statements = (*statements, comment)
    action = sql.SQL("DROP COLUMN {}").format(sql.Identifier(change.name))
    return Stage(
        what=f"add the column {change.table}.{change.name}",
        why=f"declared, and missing in the database; {subject.size(change)}" if rewriting else _WHY,
        lock="ACCESS EXCLUSIVE while every row is written anew" if rewriting else _BRIEF_LOCK,
        risk=subject.rewriting_risk(change) if rewriting else Risk.NONE,
        sql=statements,
        rollback_sql=(wording.alter_table(change.schema, change.table, action),),
        changes=(change,),
    )


def _is_filled_later(declared: ColumnContract) -> bool:
    """Whether rows that exist can be given their value afterwards, in batches."""
    return declared.generated is None and declared.identity is None and declared.default is not None


def _filled(subject: Subject, change: Change, declared: ColumnContract) -> Stage:
    """A required column whose default differs from row to row, on a big table: added empty, filled page by page."""
    derived = subject.column(change)
    table, name = sql.Identifier(change.schema, change.table), sql.Identifier(change.name)
    bare = sql.SQL("ADD COLUMN {} {}").format(name, sql.SQL(wording.type_text(derived)))
    fill = sql.SQL(
        "UPDATE {} SET {} = DEFAULT WHERE ctid >= '($first,0)'::tid AND ctid < '($last,0)'::tid AND {} IS NULL"
    ).format(table, name, name)
    scaffold = wording.shortened(f"{wording.NOT_NULL_SCAFFOLD}{change.name}")
    check = sql.SQL("ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID").format(sql.Identifier(scaffold), name)
    comment = (
        (comment_statement(change.schema, change.table, change.name, declared.description),)
        if declared.description
        else ()
    )
    place = (change.schema, change.table)
    return Stage(
        what=f"add the column {change.table}.{change.name} and fill it in batches",
        why=f"declared, and missing; its default differs from row to row and {subject.size(change)}, "
        "so rows get their value page by page while others read and write",
        lock=f"{_BRIEF_LOCK}; rows of one batch; SHARE UPDATE EXCLUSIVE while rows are checked",
        is_transactional=False,
        sql=(
            wording.alter_table(*place, sql.SQL("ADD COLUMN IF NOT EXISTS {}").format(_of_added(bare))),
            wording.set_default(*place, derived),
            fill.as_string(),
            wording.drop_constraint(*place, scaffold),
            wording.alter_table(*place, check),
            wording.validate_constraint(*place, scaffold),
            wording.alter_column(*place, change.name, sql.SQL("SET NOT NULL")),
            wording.drop_constraint(*place, scaffold),
            *comment,
        ),
        rollback_sql=(wording.alter_table(*place, sql.SQL("DROP COLUMN IF EXISTS {}").format(name)),),
        batched=(3,),
        changes=(change,),
    )


def _of_added(bare: sql.Composed) -> sql.SQL:
    """What follows ADD COLUMN in an action."""
    return wording.trusted(bare.as_string().removeprefix("ADD COLUMN "))


def _rewriting(declared: ColumnContract) -> str | None:
    """Why adding the column would rewrite the table, if it would."""
    if declared.generated is not None:
        return "adding a stored generated column rewrites the whole table under an exclusive lock"
    if declared.identity is not None:
        return "adding an identity column rewrites the whole table under an exclusive lock"
    if declared.default is None or not declared.is_required or parse_expression(declared.default).is_constant:
        return None
    return "a required column whose default differs from row to row rewrites the whole table under an exclusive lock"


def _added(subject: Subject, change: Change, declared: ColumnContract) -> tuple[str, ...]:
    derived = subject.column(change)
    if declared.default is None or parse_expression(declared.default).is_constant:
        return (wording.add_column(change.schema, change.table, derived),)
    bare = sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(change.name), sql.SQL(wording.type_text(derived)))
    return (  # the default only for rows to come: for those that exist it would be computed one by one
        wording.alter_table(change.schema, change.table, bare),
        wording.set_default(change.schema, change.table, derived),
    )


def default(subject: Subject, change: Change) -> Stage | Refusal:
    """The default as declared, for rows to come."""
    was = sql.SQL("DROP DEFAULT") if change.observed is None else wording.default_action(change.observed)
    return Stage(
        what=f"set the default of {change.table}.{change.name}",
        why="the default differs from the contract",
        lock=_BRIEF_LOCK,
        sql=(wording.set_default(change.schema, change.table, subject.column(change)),),
        rollback_sql=(wording.alter_column(change.schema, change.table, change.name, was),),
        changes=(change,),
    )


def nullability(change: Change) -> Stage:
    """NOT NULL by way of a check that is validated without blocking writers; or nulls allowed."""
    set_, drop = sql.SQL("SET NOT NULL"), sql.SQL("DROP NOT NULL")
    place = (change.schema, change.table, change.name)
    if change.declared == "NULL":
        return Stage(
            what=f"allow nulls in {change.table}.{change.name}",
            why="the contract does not require the column",
            lock=_BRIEF_LOCK,
            sql=(wording.alter_column(*place, drop),),
            rollback_sql=(wording.alter_column(*place, set_),),
            changes=(change,),
        )
    scaffold = wording.shortened(f"{wording.NOT_NULL_SCAFFOLD}{change.name}")
    check = sql.SQL("ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID")
    remove = wording.drop_constraint(change.schema, change.table, scaffold)
    return Stage(
        what=f"require {change.table}.{change.name}",
        why="the contract requires the column; a validated check lets the server believe it without a scan",
        lock=f"{_BRIEF_LOCK}; SHARE UPDATE EXCLUSIVE while rows are checked",
        is_transactional=False,
        sql=(
            remove,
            wording.alter_table(
                change.schema, change.table, check.format(sql.Identifier(scaffold), sql.Identifier(change.name))
            ),
            wording.validate_constraint(change.schema, change.table, scaffold),
            wording.alter_column(*place, set_),
            remove,
        ),
        rollback_sql=(remove, wording.alter_column(*place, drop)),
        changes=(change,),
    )


def comment(change: Change) -> Stage:
    """The column's comment as declared."""
    return comment_stage(change, column=change.name)
