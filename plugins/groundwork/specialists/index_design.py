"""Which secondary indexes a table should have, by rules over measured plans.

An index earns its place by serving a declared access pattern, guarding uniqueness, or standing behind a foreign key
(PostgreSQL makes none there by itself). Served patterns come first, then fewer indexes: each one costs every write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy.dialects import postgresql

from groundwork.contracts.contract import IndexContract, TableContract
from groundwork.model.decision import DecisionKind, Option
from groundwork.specialists.advisor import Answer
from groundwork.specialists.evidence import Candidate, Evidence, PatternEvidence
from groundwork.specialists.filler import ROWS
from groundwork.specialists.proposal import Proposal
from groundwork.specialists.scratch import Plan

SPECIALIST = "database specialist"
KEEP, ADD, DROP, BOTH, NONE = (
    "keep_declared", "add_missing", "drop_unused", "add_missing_and_drop_unused", "keys_only",
)  # fmt: skip
_WORTH = 0.8  # a further index has to bring the cost below this share
_TRUSTED_SAMPLE = 1_000  # rows from which on the planner's costs say something about the real table


def propose(table: TableContract, evidence: Evidence) -> Proposal:
    """The options for a table's indexes and the rules' choice."""
    unused = [index for index in table.indexes if _is_unused(index, table, evidence)]
    options = [_keep(table, evidence)]
    if evidence.candidates:
        options.append(_add(table, evidence, ()))
    if unused:
        options.append(_drop(table, evidence, unused))
    if evidence.candidates and unused:
        options.append(_add(table, evidence, unused))
    if table.indexes:
        options.append(_none(table, evidence))
    return Proposal(
        kind=DecisionKind.INDEX_DESIGN,
        specialist=SPECIALIST,
        evidence=evidence,
        options=tuple(options),
        answer=_choose(options, table, evidence),
    )


def _choose(options: list[Option], table: TableContract, evidence: Evidence) -> Answer:
    guarded = [option for option in options if option.name != NONE or not _guards(table)]
    best = max(guarded, key=lambda option: (_served(option), -int(option.measured["index_count"])))
    cheapest = min((each for each in guarded if _served(each) == _served(best)), key=_cost)
    why = "no option serves more with fewer"
    if evidence.sample_rows >= _TRUSTED_SAMPLE and _cost(cheapest) < _WORTH * _cost(best):
        why = f"`{best.name}` serves as many, but at a planner's cost of {_cost(best)} against {_cost(cheapest)}"
        best = cheapest
    total = len(evidence.patterns)
    made_up = " and on made-up ones, which say what can be served but not at what cost"
    made_up = made_up if evidence.sample_rows < ROWS else ""
    reasoning = (
        f"`{best.name}` serves {_served(best)} of {total} declared access patterns with "
        f"{best.measured['index_count']} secondary index(es); {why}. "
        f"Plans were made on {evidence.sample_rows} of {evidence.table.row_count} rows{made_up}."
    )
    return Answer(choice=best.name, reasoning=reasoning, confidence=_confidence(best, evidence))


def _confidence(option: Option, evidence: Evidence) -> float:
    """1 minus what is not known: few rows say little about cost, an unserved pattern is an open question."""
    base = 0.95 if evidence.sample_rows >= _TRUSTED_SAMPLE else 0.8 if evidence.sample_rows else 0.6
    is_open = _served(option) < len(evidence.patterns) or option.name in (DROP, BOTH)
    return round(base - (0.15 if is_open else 0.0), 2)


def _keep(table: TableContract, evidence: Evidence) -> Option:
    return Option(
        name=KEEP,
        description="The indexes that the contract declares, no others.",
        pros=("what the contract says is what the database has",),
        cons=tuple(f"`{pattern.name}` is served by no index" for pattern in _unserved(evidence, lambda e: e.declared)),
        measured=_measured(evidence, lambda e: e.declared, table.indexes),
    )


def _add(table: TableContract, evidence: Evidence, dropped: Iterable[IndexContract]) -> Option:
    gone = {index.name for index in dropped}
    kept = [index for index in table.indexes if index.name not in gone]
    added = [f"{each.name} for `{each.pattern}`" for each in evidence.candidates]
    return Option(
        name=BOTH if gone else ADD,
        description=f"Also {', '.join(added)}" + (f"; without {', '.join(sorted(gone))}" if gone else "") + ".",
        pros=tuple(f"serves `{candidate.pattern}`" for candidate in evidence.candidates),
        cons=("each further index costs every write", "the contract has to be changed first"),
        measured=_measured(evidence, lambda e: e.with_candidates, kept, evidence.candidates),
        statements=tuple(_statement(table, candidate) for candidate in evidence.candidates),
    )


def _drop(table: TableContract, evidence: Evidence, unused: list[IndexContract]) -> Option:
    gone = {index.name for index in unused}
    return Option(
        name=DROP,
        description=f"Without {', '.join(sorted(gone))}, which serve(s) no declared access pattern.",
        pros=("faster writes, less space",),
        cons=("a query that nobody declared may rely on it", "the contract has to be changed first"),
        measured=_measured(evidence, lambda e: e.declared, [each for each in table.indexes if each.name not in gone]),
    )


def _none(table: TableContract, evidence: Evidence) -> Option:
    guarded = f"; {', '.join(_guards(table))} would be missed" if _guards(table) else ""
    return Option(
        name=NONE,
        description="Only the indexes behind the primary and unique keys.",
        pros=("fastest writes, least space",),
        cons=tuple(f"`{pattern.name}` is served by no index" for pattern in _unserved(evidence, lambda e: e.keys_only))
        + ((f"uniqueness or references lose their index{guarded}",) if guarded else ()),
        measured=_measured(evidence, lambda e: e.keys_only, ()),
    )


def _is_unused(index: IndexContract, table: TableContract, evidence: Evidence) -> bool:
    serves = any(index.name in pattern.declared.indexes for pattern in evidence.patterns)
    return not serves and index.name not in _guards(table)


def _guards(table: TableContract) -> list[str]:
    """Declared indexes with a duty besides speed: uniqueness, or the referencing side of a foreign key."""
    references = {relationship.columns[0] for relationship in table.relationships}
    return [index.name for index in table.indexes if index.is_unique or index.keys[0].column in references]


def _measured(
    evidence: Evidence,
    plan_of: Callable[[PatternEvidence], Plan],
    indexes: Iterable[IndexContract],
    candidates: Iterable[Candidate] = (),
) -> dict[str, float | int | str]:
    sizes = [evidence.declared_index_bytes.get(index.name, 0) for index in indexes]
    sizes += [candidate.bytes for candidate in candidates]
    plans = [plan_of(pattern) for pattern in evidence.patterns]
    return {
        "patterns_served": sum(plan.is_served for plan in plans),
        "patterns_total": len(plans),
        "planner_cost": round(sum(plan.cost for plan in plans), 2),
        "index_count": len(sizes),
        "index_bytes_on_sample": sum(sizes),
    }


def _unserved(evidence: Evidence, plan_of: Callable[[PatternEvidence], Plan]) -> list[PatternEvidence]:
    return [pattern for pattern in evidence.patterns if not plan_of(pattern).is_served]


def _served(option: Option) -> int:
    return int(option.measured["patterns_served"])


def _cost(option: Option) -> float:
    return float(option.measured["planner_cost"])


def _statement(table: TableContract, candidate: Candidate) -> str:
    quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]
    keys = ", ".join(f"{quote(column)}{' DESC' if is_descending else ''}" for column, is_descending in candidate.keys)
    return f"CREATE INDEX {quote(candidate.name)} ON {quote(table.schema)}.{quote(table.name)} ({keys})"
