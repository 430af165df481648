"""The values of a migration: stages that can run, refusals with the safe way, and what is reported and left alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import Change, ChangeKind, ObjectType


class Acceptance(StrEnum):
    """What a caller lets a migration do beyond the harmless."""

    REWRITE = "rewrite"
    LOSS = "loss"


class Risk(StrEnum):
    """What a stage puts at stake, from least to most.

    `locks`: others wait longer than a moment; `rewrites`: every row is written anew under an exclusive lock; `loses`:
    values, or a promise about them, are gone afterwards.
    """

    NONE = "none"
    LOCKS = "locks"
    REWRITES = "rewrites"
    LOSES = "loses"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a migration, whole by itself.

    `lock` is the strongest table lock taken. A transactional stage's statements commit together; the others commit one
    by one and each stage can be started again from its beginning. `changes` are the differences that the stage ends:
    it is done when a fresh comparison no longer lists them, which is how it is skipped, resumed and verified.

    A statement whose number (from 1) stands in `batched` runs once per range of pages of the table, each by itself;
    `$first` and `$last` in it stand for the pages. `rollback_sql` brings back the form that was there before; of a
    stage whose risk is `loses` it cannot bring back the values.
    """

    what: str
    why: str
    lock: str
    risk: Risk = Risk.NONE
    is_transactional: bool = True
    is_reversible: bool = True
    sql: tuple[str, ...]
    rollback_sql: tuple[str, ...] = ()
    batched: tuple[int, ...] = ()
    changes: tuple[Change, ...]

    @property
    def rewrites_table(self) -> bool:
        """Whether every row is written anew while others wait."""
        return self.risk is Risk.REWRITES

    @property
    def check(self) -> str:
        """How it is verified that the stage did its work."""
        first, rest = self.changes[0], len(self.changes) - 1
        more = f" and {rest} more" if rest else ""
        return f"a fresh comparison no longer lists {describe(first)}{more}"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `stage_from` reads it back."""
        return {
            "what": self.what,
            "why": self.why,
            "lock": self.lock,
            "risk": self.risk.value,
            "rewrites_table": self.rewrites_table,
            "is_transactional": self.is_transactional,
            "is_reversible": self.is_reversible,
            "sql": list(self.sql),
            "rollback_sql": list(self.rollback_sql),
            "batched": list(self.batched),
            "check": self.check,
            "changes": [asdict(change) for change in self.changes],
        }


def stage_from(data: Mapping[str, Any]) -> Stage:
    """The stage of a JSON form. Raises: KeyError, TypeError or ValueError when it is none."""
    return Stage(
        what=data["what"],
        why=data["why"],
        lock=data["lock"],
        risk=Risk(data.get("risk", Risk.NONE)),
        is_transactional=data["is_transactional"],
        is_reversible=data["is_reversible"],
        sql=tuple(data["sql"]),
        rollback_sql=tuple(data["rollback_sql"]),
        batched=tuple(data.get("batched", ())),
        changes=tuple(change_from(change) for change in data.get("changes", ())),
    )


def change_from(data: Mapping[str, Any]) -> Change:
    """The difference of a JSON form."""
    kinds = {"kind": ChangeKind(data["kind"]), "object_type": ObjectType(data["object_type"])}
    return Change(**{**data, **kinds})


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A difference that is not repaired by itself because data would be lost or a table rewritten."""

    change: Change
    reason: str
    safe_way: str

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "difference": describe(self.change),
            "reason": self.reason,
            "safe_way": self.safe_way,
            "change": asdict(self.change),
        }


@dataclass(frozen=True, kw_only=True)
class MigrationPlan:
    """Everything that would bring the database to what the contracts of `domain` declare, in order.

    `small_bytes` is up to what size a table was taken for small, null when no size was known.
    """

    domain: Domain
    accept: frozenset[Acceptance] = frozenset()
    small_bytes: int | None = None
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

    @property
    def needs_approval(self) -> bool:
        """Whether a stage makes others wait, rewrites a table or loses something."""
        return any(stage.risk is not Risk.NONE for stage in self.stages)

    @property
    def digest(self) -> str:
        """The same for the same statements in the same order."""
        return hashlib.sha256(json.dumps(list(self.statements)).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: `domain`, `digest`, `needs_approval`, `stages`, `refusals`, `left_alone`."""
        return {
            "domain": self.domain.name,
            "accept": sorted(self.accept),
            "digest": self.digest,
            "needs_approval": self.needs_approval,
            "stages": [stage.to_json() for stage in self.stages],
            "refusals": [refusal.to_json() for refusal in self.refusals],
            "left_alone": [describe(change) for change in self.left_alone],
        }

    def explain(self) -> str:
        """The plan for a person to read and judge, every statement in it."""
        return "\n".join(_lines(self))


Place = tuple[str, str, str, str]


def place_of(change: Change) -> Place:
    """Where a difference is, whatever it is there: schema, table, kind of object, name."""
    return (change.schema, change.table, change.object_type, change.name)


def describe(change: Change) -> str:
    """One line that names a difference.

    >>> from groundwork.contracts.diff import ChangeKind, ObjectType
    >>> describe(Change(kind=ChangeKind.MISSING, schema="shop", table="sale", object_type=ObjectType.INDEX, name="i"))
    'missing index i of shop.sale'
    """
    if change.object_type.startswith("table"):
        return f"{change.kind} {change.object_type} {change.qualified_table}"
    return f"{change.kind} {change.object_type} {change.name} of {change.qualified_table}"


_RISKS = {
    Risk.NONE: "none: nobody waits for more than a moment, nothing is rewritten or lost",
    Risk.LOCKS: "others wait while it runs",
    Risk.REWRITES: "every row is written anew while others wait",
    Risk.LOSES: "values, or a promise about them, are lost",
}


def _way_back(stage: Stage) -> str:
    if not stage.is_reversible:
        return "not possible"
    return "; ".join(stage.rollback_sql) or "nothing to take back"


def _lines(plan: MigrationPlan) -> Iterator[str]:
    if plan.is_empty and not plan.left_alone:
        yield f"nothing to do for {plan.domain.name}"
    for number, stage in enumerate(plan.stages, 1):
        yield f"{number}. {stage.what}"
        yield f"   why: {stage.why}"
        transaction = "one transaction" if stage.is_transactional else "statement by statement, outside a transaction"
        yield f"   lock: {stage.lock}; {transaction}"
        yield f"   risk: {_RISKS[stage.risk]}"
        yield from (f"   {' '.join(statement.split())}" for statement in stage.sql)
        yield f"   check: {stage.check}"
        yield f"   back: {_way_back(stage)}"
    for refusal in plan.refusals:
        yield f"refused: {describe(refusal.change)}"
        yield f"   why: {refusal.reason}"
        yield f"   safe way: {refusal.safe_way}"
    yield from (f"left alone: {describe(change)}" for change in plan.left_alone)
