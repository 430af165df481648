"""The values of a migration: stages that can run, refusals with the safe way, and what is reported and left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import Change


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a migration, whole by itself.

    `lock` is the strongest table lock taken. A transactional stage's statements commit together; the others commit one
    by one and each stage can be started again from its beginning. `changes` are the differences that the stage ends:
    it is done when a fresh comparison no longer lists them, which is how it is skipped, resumed and verified.
    """

    what: str
    why: str
    lock: str
    rewrites_table: bool = False
    is_transactional: bool = True
    is_reversible: bool = True
    sql: tuple[str, ...]
    rollback_sql: tuple[str, ...] = ()
    changes: tuple[Change, ...]

    @property
    def check(self) -> str:
        """How it is verified that the stage did its work."""
        first, rest = self.changes[0], len(self.changes) - 1
        more = f" and {rest} more" if rest else ""
        return f"a fresh comparison no longer lists {describe(first)}{more}"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form without the changes themselves."""
        return {
            "what": self.what,
            "why": self.why,
            "lock": self.lock,
            "rewrites_table": self.rewrites_table,
            "is_transactional": self.is_transactional,
            "is_reversible": self.is_reversible,
            "sql": list(self.sql),
            "rollback_sql": list(self.rollback_sql),
            "check": self.check,
        }


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A difference that is not repaired by itself because data would be lost or a table rewritten."""

    change: Change
    reason: str
    safe_way: str

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"difference": describe(self.change), "reason": self.reason, "safe_way": self.safe_way}


@dataclass(frozen=True, kw_only=True)
class MigrationPlan:
    """Everything that would bring the database to what the contracts of `domain` declare, in order."""

    domain: Domain
    stages: tuple[Stage, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    left_alone: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to run and nothing to refuse."""
        return not self.stages and not self.refusals

    @property
    def statements(self) -> tuple[str, ...]:
        """Every statement in the order it would run."""
        return tuple(statement for stage in self.stages for statement in stage.sql)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: `domain`, `stages`, `refusals`, `left_alone`."""
        return {
            "domain": self.domain.name,
            "stages": [stage.to_json() for stage in self.stages],
            "refusals": [refusal.to_json() for refusal in self.refusals],
            "left_alone": [describe(change) for change in self.left_alone],
        }

    def explain(self) -> str:
        """The plan for a person to read and judge, every statement in it."""
        return "\n".join(_lines(self))


def describe(change: Change) -> str:
    """One line that names a difference.

    >>> from groundwork.contracts.diff import ChangeKind, ObjectType
    >>> describe(Change(kind=ChangeKind.MISSING, schema="shop", table="sale", object_type=ObjectType.INDEX, name="i"))
    'missing index i of shop.sale'
    """
    if change.object_type.startswith("table"):
        return f"{change.kind} {change.object_type} {change.qualified_table}"
    return f"{change.kind} {change.object_type} {change.name} of {change.qualified_table}"


def _lines(plan: MigrationPlan) -> Iterator[str]:
    if plan.is_empty and not plan.left_alone:
        yield f"nothing to do for {plan.domain.name}"
    for number, stage in enumerate(plan.stages, 1):
        yield f"{number}. {stage.what}"
        yield f"   why: {stage.why}"
        transaction = "one transaction" if stage.is_transactional else "statement by statement, outside a transaction"
        rewriting = "rewrites the table" if stage.rewrites_table else "rewrites nothing"
        yield f"   lock: {stage.lock}; {rewriting}; {transaction}"
        yield from (f"   {' '.join(statement.split())}" for statement in stage.sql)
        yield f"   check: {stage.check}"
        yield f"   back: {'; '.join(stage.rollback_sql) if stage.is_reversible else 'not possible'}"
    for refusal in plan.refusals:
        yield f"refused: {describe(refusal.change)}"
        yield f"   why: {refusal.reason}"
        yield f"   safe way: {refusal.safe_way}"
    yield from (f"left alone: {describe(change)}" for change in plan.left_alone)
