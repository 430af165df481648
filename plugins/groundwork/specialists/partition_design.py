"""Whether a table should be partitioned by time, by rules over its size, growth, retention and access patterns.

Partitions pay when old rows leave as whole partitions, or when a table is so large that its indexes no longer fit in
memory and its queries name the time. They cost planning time, files, and a key that must contain the time. What is
declared is kept unless it is clearly harmful: changing it rewrites the table.
"""

from __future__ import annotations

import math

from groundwork.contracts.contract import TableContract
from groundwork.model.decision import DecisionKind, Option
from groundwork.specialists.advisor import Answer
from groundwork.specialists.evidence import Evidence
from groundwork.specialists.proposal import Proposal

SPECIALIST = "database architect"
NONE = "no_partitions"
_LARGE_BYTES = 10 * 1024**3  # from here on an index is likely not to stay in memory
_RETENTION_ROWS = 1_000_000  # rows from which on deleting by date is slower than dropping a partition is awkward
_MAX_PARTITIONS = 500  # planning time grows with them
_INTERVAL_DAYS = {"year": 365.25, "month": 30.44}


def propose(table: TableContract, evidence: Evidence) -> Proposal:
    """The options for a table's partitioning and the rules' choice."""
    options = [_none(table, evidence)]
    column = evidence.time_column
    if column is not None and (not table.primary_key or column in table.primary_key):
        options += [_by(interval, column, table, evidence) for interval in _INTERVAL_DAYS]
    declared = _declared(table)
    if declared is not None and declared not in {option.name for option in options}:
        options.append(Option(name=declared, description="What the contract declares.", measured=_facts(evidence)))
    return Proposal(
        kind=DecisionKind.PARTITION_DESIGN,
        specialist=SPECIALIST,
        evidence=evidence,
        options=tuple(options),
        answer=_choose(options, table, evidence),
    )


def _choose(options: list[Option], table: TableContract, evidence: Evidence) -> Answer:
    named = {option.name: option for option in options}
    declared = _declared(table)
    benefit = _benefit(evidence)
    if declared is not None:
        count = int(named[declared].measured.get("partitions", 0))
        if count <= _MAX_PARTITIONS:
            why = benefit or "it is small enough to do without, but changing it would rewrite the table"
            return Answer(choice=declared, reasoning=f"The contract declares it: {why}.", confidence=0.8)
    usable = [option for option in options if 1 < int(option.measured.get("partitions", 0)) <= _MAX_PARTITIONS]
    if benefit and usable:
        best = min(usable, key=lambda option: int(option.measured["partitions"]))
        return Answer(choice=best.name, reasoning=f"Partitions pay: {benefit}.", confidence=0.75)
    told = benefit or f"{evidence.table.row_count} rows in {evidence.table.total_bytes} bytes need none"
    return Answer(choice=NONE, reasoning=f"Without partitions: {told}.", confidence=0.9 if not benefit else 0.6)


def _benefit(evidence: Evidence) -> str | None:
    """Why partitions would pay, or null."""
    numbers, days = evidence.table, evidence.retention_days
    if days is not None and numbers.row_count >= _RETENTION_ROWS and (numbers.span_days or 0) > 0.5 * days:
        return f"rows leave after {days:.0f} days and the table already spans {numbers.span_days:.0f}"
    if numbers.total_bytes >= _LARGE_BYTES and _pruned(evidence) >= 0.5:
        return f"it holds {numbers.total_bytes} bytes and {_pruned(evidence):.0%} of its access patterns name the time"
    return None


def _none(table: TableContract, evidence: Evidence) -> Option:
    rewrite = ("the contract declares partitions: the table would be rewritten",) if table.partitioning else ()
    return Option(
        name=NONE,
        description="One table.",
        pros=("the simplest plans", "any key is possible"),
        cons=("rows that are due to leave are deleted one by one", *rewrite),
        measured={**_facts(evidence), "partitions": 0},
    )


def _by(interval: str, column: str, table: TableContract, evidence: Evidence) -> Option:
    span = max(evidence.table.span_days or 0.0, 1.0)
    count = math.ceil(span / _INTERVAL_DAYS[interval])
    origin = ", as the contract declares" if _declared(table) == f"range_by_{interval}" else ""
    return Option(
        name=f"range_by_{interval}",
        description=f"One partition per {interval} of `{column}`{origin}.",
        pros=("old rows leave by dropping a partition", "queries that name the time read fewer partitions"),
        cons=("queries that do not name it look into each", f"about {count} partitions to plan over"),
        measured={
            **_facts(evidence),
            "partitions": count,
            "rows_per_partition": round(evidence.table.row_count / count),
        },
    )


def _facts(evidence: Evidence) -> dict[str, float | int | str]:
    facts: dict[str, float | int | str] = {
        "row_count": evidence.table.row_count,
        "total_bytes": evidence.table.total_bytes,
        "share_of_patterns_that_prune": round(_pruned(evidence), 2),
    }
    if evidence.table.span_days:
        facts["span_days"] = evidence.table.span_days
        facts["rows_per_day"] = round(evidence.table.row_count / evidence.table.span_days, 2)
    return facts


def _pruned(evidence: Evidence) -> float:
    if not evidence.patterns:
        return 0.0
    named = [(*each.demand.equal, *each.demand.between) for each in evidence.patterns]
    return sum(evidence.time_column in columns for columns in named) / len(named)


def _declared(table: TableContract) -> str | None:
    found = table.partitioning
    if found is None:
        return None
    return f"{found.strategy}_by_{found.interval or ' and '.join(found.columns)}"
