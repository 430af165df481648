"""Stages for columns: what needs no rewrite and loses nothing is done, the rest refused with the safe way."""

from __future__ import annotations

import re

from psycopg import sql

from groundwork.change import wording
from groundwork.change.stage import Refusal, Stage
from groundwork.change.subject import Subject
from groundwork.change.tables import comment_stage
from groundwork.contracts.contract import ColumnContract
from groundwork.contracts.derive.ddl import comment_statement
from groundwork.contracts.diff import Change, ChangeKind
from groundwork.contracts.fragment import parse_expression

_BRIEF_LOCK = "ACCESS EXCLUSIVE for a moment"
_WIDTH = re.compile(r"^(?P<name>[a-z ]+?)\((?P<first>\d+)(?:,(?P<second>\d+))?\)(?P<rest>[a-z ]*)$")
_BUILD_BESIDE = (
    "add a column of the declared form under a new name, fill it in batches, switch readers to it, then retire this one"
)


def column(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A missing column is added when the server can do that without touching rows; an unknown one is left alone."""
    if change.kind is ChangeKind.EXTRA:
        return None
    declared = subject.contract(change).column(change.name)
    reason = _rewriting(declared)
    if reason:
        return Refusal(change=change, reason=reason, safe_way=_BUILD_BESIDE)
    statements = _added(subject, change, declared)
    if declared.description:
        comment = comment_statement(change.schema, change.table, change.name, declared.description)
        statements = (*statements, comment)
    action = sql.SQL("DROP COLUMN {}").format(sql.Identifier(change.name))
    return Stage(
        what=f"add the column {change.table}.{change.name}",
        why="declared, and missing in the database",
        lock=_BRIEF_LOCK,
        sql=statements,
        rollback_sql=(wording.alter_table(change.schema, change.table, action),),
        changes=(change,),
    )


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


def type_(subject: Subject, change: Change) -> Stage | Refusal:
    """A type that is wider and stored the same is taken over; any other change is refused."""
    old, new = str(change.observed), str(change.declared)
    if not is_widening(old, new):
        return Refusal(
            change=change,
            reason=f"going from {old} to {new} rewrites the table or may lose values",
            safe_way=_BUILD_BESIDE,
        )
    derived = subject.column(change)

    def to(text: str) -> str:
        return wording.alter_column(change.schema, change.table, change.name, wording.type_action(text))

    return Stage(
        what=f"widen {change.table}.{change.name} from {old} to {new}",
        why="the contract declares the wider type, which is stored in the same way",
        lock=_BRIEF_LOCK,
        is_reversible=False,
        sql=(to(wording.type_text(derived)),),
        changes=(change,),
    )


def is_widening(old: str, new: str) -> bool:
    """Whether every value of type `old` is a value of type `new` in the same bytes (server's type texts).

    >>> is_widening("character varying(20)", "text"), is_widening("text", "character varying(20)")
    (True, False)
    >>> is_widening("numeric(10,2)", "numeric(14,2)"), is_widening("numeric(10,2)", "numeric(14,4)")
    (True, False)
    """
    texts = ("text", "character varying")
    if new in texts and (old in texts or old.startswith("character varying(")):
        return True
    before, after = _WIDTH.match(old), _WIDTH.match(new)
    if before is None:
        return False
    if after is None:
        return new == "numeric" and before["name"] == "numeric"
    if (before["name"], before["rest"], before["second"]) != (after["name"], after["rest"], after["second"]):
        return False
    widens = before["name"] in ("character varying", "numeric", "timestamp", "time", "bit varying")
    return widens and int(before["first"]) <= int(after["first"])


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


def identity(change: Change) -> Stage | Refusal:
    """`always` and `by default` may be exchanged; an identity is neither made nor dropped on existing rows."""
    words = {"always": sql.SQL("SET GENERATED ALWAYS"), "by default": sql.SQL("SET GENERATED BY DEFAULT")}
    if change.declared not in words or change.observed not in words:
        return Refusal(
            change=change,
            reason="the numbers already given out are not known to the contract",
            safe_way="ALTER COLUMN … ADD GENERATED … AS IDENTITY (START WITH the next free number), or DROP IDENTITY",
        )
    place = (change.schema, change.table, change.name)
    return Stage(
        what=f"generate {change.table}.{change.name} {change.declared}",
        why="the contract declares the other form of identity",
        lock=_BRIEF_LOCK,
        sql=(wording.alter_column(*place, words[change.declared]),),
        rollback_sql=(wording.alter_column(*place, words[change.observed]),),
        changes=(change,),
    )


def generated(change: Change) -> Refusal:
    """Another generation expression means computing every row again."""
    return Refusal(
        change=change,
        reason="another generation expression rewrites the whole table under an exclusive lock",
        safe_way=_BUILD_BESIDE,
    )


def comment(change: Change) -> Stage:
    """The column's comment as declared."""
    return comment_stage(change, column=change.name)
