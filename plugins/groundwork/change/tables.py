"""Stages for whole tables and their partitions: new ones are made, nothing is dropped, nothing is rebuilt."""

from __future__ import annotations

from psycopg import sql

from groundwork.change import wording
from groundwork.change.stage import Refusal, Stage
from groundwork.change.subject import Subject
from groundwork.contracts.derive.ddl import comment_statement, partition_statement, statements
from groundwork.contracts.derive.partitions import partitions
from groundwork.contracts.diff import Change, ChangeKind


def new_tables(subject: Subject, changes: tuple[Change, ...]) -> Stage:
    """One transaction that makes every missing table with all that belongs to it."""
    wanted = {(change.schema, change.table) for change in changes}
    schemas = {change.schema for change in changes}
    chosen = [
        statement
        for statement in statements(subject.domain)
        if (statement.schema, statement.table) in wanted or (statement.table is None and statement.schema in schemas)
    ]
    names = ", ".join(change.table for change in changes)
    together = sql.SQL(", ").join(sql.Identifier(change.schema, change.table) for change in changes)
    return Stage(
        what=f"create {len(changes)} table{'s' if len(changes) > 1 else ''}: {names}",
        why="declared, and missing in the database",
        lock="ACCESS EXCLUSIVE on the new tables; SHARE ROW EXCLUSIVE on tables they refer to",
        sql=tuple(statement.sql for statement in chosen),
        rollback_sql=(sql.SQL("DROP TABLE {}").format(together).as_string(),),
        changes=changes,
    )


def partition(subject: Subject, change: Change) -> Stage | Refusal | None:
    """A missing partition is made and a misnamed one renamed; other bounds are refused."""
    if change.kind is ChangeKind.CHANGED:
        return Refusal(
            change=change,
            reason="other bounds would need rows to move between partitions",
            safe_way="detach the partition, attach it again with the declared bounds, and load what does not fit",
        )
    if change.kind is ChangeKind.RENAMED:
        return _rename(change)
    declared = next(item for item in partitions(subject.contract(change)) if item.name == change.name)
    drop = sql.SQL("DROP TABLE {}").format(sql.Identifier(change.schema, change.name)).as_string()
    return Stage(
        what=f"create the partition {change.name}",
        why="declared, and missing in the database",
        lock="ACCESS EXCLUSIVE on the table for a moment; the default partition is searched for rows that belong here",
        sql=(partition_statement(change.schema, change.table, declared),),
        rollback_sql=(drop,),
        changes=(change,),
    )


def partition_key(change: Change) -> Refusal:
    """A table cannot become partitioned, or partitioned otherwise, in place."""
    return Refusal(
        change=change,
        reason="PostgreSQL cannot change how an existing table is partitioned",
        safe_way="make the declared table under a new name, copy the rows, check the counts, then swap the names",
    )


def comment(change: Change) -> Stage:
    """The table's comment as declared."""
    return comment_stage(change, column=None)


def comment_stage(change: Change, *, column: str | None) -> Stage:
    """COMMENT ON the table or a column of it; reversible with the old text."""
    target = change.qualified_table if column is None else f"{change.qualified_table}.{column}"
    return Stage(
        what=f"comment on {target}",
        why="the comment differs from the contract's description",
        lock="SHARE UPDATE EXCLUSIVE",
        sql=(comment_statement(change.schema, change.table, column, change.declared),),
        rollback_sql=(comment_statement(change.schema, change.table, column, change.observed),),
        changes=(change,),
    )


def _rename(change: Change) -> Stage:
    old, new = str(change.observed), str(change.declared)

    def rename(source: str, target: str) -> str:
        action = sql.SQL("RENAME TO {}").format(sql.Identifier(target))
        return wording.alter_table(change.schema, source, action)

    return Stage(
        what=f"rename the partition {old} to {new}",
        why="the same partition is declared under another name",
        lock="ACCESS EXCLUSIVE on the partition for a moment",
        sql=(rename(old, new),),
        rollback_sql=(rename(new, old),),
        changes=(change,),
    )
