"""The steps that only a change takes: compare, what the contract's change means, who is hit, and the queries after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundwork.contracts.consumers import all_uses, users
from groundwork.contracts.contract import Contract, Domain
from groundwork.contracts.diff import ChangeKind, Diff, ObjectType
from groundwork.contracts.document import Document
from groundwork.contracts.evolution import Change, compare_contracts
from groundwork.contracts.evolution.change import unannounced
from groundwork.contracts.read import read_contract
from groundwork.foundation.access_patterns import PatternEvidence
from groundwork.foundation.table_workflow.new_table import patterns_of, require_served, told_plan
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.governance.views import access_schema
from groundwork.model.decision import Decision, DecisionKind
from groundwork.model.errors import ConfigError, SkippableError
from groundwork.specialists.deciding import decide
from groundwork.specialists.table_design import table_decisions
from groundwork.store.contract_version import ContractVersions
from groundwork.store.decision import Decisions

_OF_COLUMNS = frozenset(kind for kind in ObjectType if kind.value.startswith("column"))


def compare(flow: TableWorkflow) -> StepResult:
    """How table and contract differ, and how the declared queries are served before anything changes.

    Raises: ConfigError when the table is not there; SkippableError when there is nothing to change.
    """
    diff = flow.diff()
    if any(change.object_type is ObjectType.TABLE and change.kind is ChangeKind.MISSING for change in diff.changes):
        raise ConfigError(
            "the table is not there yet",
            where=flow.table.qualified_name,
            expected="a table to change",
            found="none",
            next_step="run the Dag `new_table` for it",
        )
    patterns = patterns_of(flow, flow.table)
    if diff.is_empty and not _is_contract_changed(flow) and not flow.found("apply"):
        raise SkippableError(f"{flow.table.qualified_name} is what its contract declares: there is nothing to change")
    return flow.keep(
        diff.to_text(),
        reasons=[told_plan(pattern) for pattern in patterns],
        found={"diff": diff.to_json(), "patterns": [pattern.to_json() for pattern in patterns]},
    )


def _is_contract_changed(flow: TableWorkflow) -> bool:
    """Whether the contract says something else than what this database agreed with last."""
    before = _recorded(flow)
    return before is not None and before.document.data != flow.domain.contract_of(flow.table).document.data


def update(flow: TableWorkflow, *, allow_unannounced: bool = False) -> StepResult:
    """What the contract's change means beside the version that this database agreed with last.

    Raises: ConfigError when the change breaks readers or writers and the version does not announce it.
    """
    before = _recorded(flow)
    after = flow.domain.contract_of(flow.table)
    if before is None:
        return flow.keep(
            f"{after.id} {after.version} is the first version recorded for {flow.target}: nothing to compare it with",
            found={"version": after.version, "before": None},
        )
    evolution = compare_contracts(_domain(flow, before), _domain(flow, after))
    too_little = list(unannounced([evolution]))
    if too_little and not allow_unannounced:
        raise ConfigError(
            "the contract's change is not announced by its version",
            where=str(after.path),
            expected=f"version {too_little[0].least_version} or later",
            found=f"{before.version} → {after.version}: {too_little[0].verdict}",
            next_step=f"set `version: {too_little[0].least_version}` in the contract, or run with `allow_unannounced`",
        )
    told = [f"{contract.id}: {contract.verdict}" for contract in evolution.contracts]
    return flow.keep(
        "\n".join(told) or f"the contract says what it said as version {before.version}",
        reasons=[_reason(change) for change in evolution.changes],
        found={"version": after.version, "before": before.version, "evolution": evolution.to_json()},
    )


def _reason(change: Change) -> str:
    place = ".".join(part for part in (change.table, change.column or change.name) if part)
    what = " ".join(part for part in (change.what, change.attribute) if part)
    return f"{change.subject} {place} {what}: {change.impact} for {change.audience}, {change.why}"


def _recorded(flow: TableWorkflow) -> Contract | None:
    wanted = flow.domain.contract_of(flow.table)
    for row in ContractVersions(flow.store).newest(flow.domain.name, flow.target):
        if row["contract_id"] == wanted.id:
            path = Path(f"{row['file']} as of {row['recorded_at']:%Y-%m-%d %H:%M} UTC")
            return read_contract(Document(path=path, data=row["document"], positions={}))
    return None


def _domain(flow: TableWorkflow, contract: Contract) -> Domain:
    """The domain with `contract` in the place of the one with its id."""
    contracts = tuple(contract if each.id == contract.id else each for each in flow.domain.contracts)
    return replace(flow.domain, contracts=contracts)


def impact_review(flow: TableWorkflow) -> StepResult:
    """Who uses what changes: other tables, queries, models, roles, views, and what each stage does to them.

    The design of what changes is recorded as decisions, each with its alternatives.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    lines: list[str] = []
    diff = flow.diff()
    uses = all_uses(flow.domain, project=flow.settings.project)
    for column in _columns(diff):
        consumers = users(uses, flow.table.name, column)
        found[column or flow.table.name] = [consumer.to_json() for consumer in consumers]
        lines.extend(f"{column or flow.table.name}: {consumer}" for consumer in consumers)
    view = f"{access_schema(flow.table.schema)}.{flow.table.name}"
    stages = flow.plan().stages
    reasons = [f"{stage.what}: risk {stage.risk}; lock {stage.lock}" for stage in stages]
    reasons.append(f"the masked view {view} reads every column and is made anew after the change")
    decisions = _decided(flow, diff)
    reasons.extend(f"{decision.subject}: {decision.choice}. {decision.reasoning}" for decision in decisions)
    return flow.keep(
        "\n".join(lines) or "nobody is known to use what changes",
        reasons=reasons,
        found={
            "consumers": found,
            "stages": [stage.to_json() for stage in stages],
            "decisions": [str(decision.id) for decision in decisions],
        },
    )


def _decided(flow: TableWorkflow, diff: Diff) -> list[Decision]:
    """The decisions about the table's indexes and about each column that changes, recorded."""
    changed = {column for column in _columns(diff) if column}
    # groundwork: allow own_session gates measure the live database, beside what they judge
    with flow.warehouse.connect() as connection, connection.begin():
        found = decide(
            connection,
            flow.domain,
            flow.table,
            (DecisionKind.INDEX_DESIGN,),
            operation=flow.operation,
            run_id=flow.run_id,
        )
    of_columns = table_decisions(flow.domain, flow.table, operation=flow.operation, run_id=flow.run_id)
    prefix = f"{flow.table.qualified_name}."
    found += [each for each in of_columns if each.subject.removeprefix(prefix).partition(".")[0] in changed]
    store = Decisions(flow.store)
    for decision in found:
        store.record(decision)
    return found


def _columns(diff: Diff) -> list[str | None]:
    """The columns whose own definition changes; null stands for the table when something else changes."""
    found: dict[str | None, None] = {}
    for change in diff.changes:
        found[change.name if change.object_type in _OF_COLUMNS else None] = None
    return list(found)


def query_tests(flow: TableWorkflow) -> StepResult:
    """How the declared queries are served now, beside how they were before the change.

    Raises: ConfigError when no index serves a declared access pattern.
    """
    after = patterns_of(flow, flow.table)
    require_served(flow, after)
    before = {each["pattern"]: each for each in flow.found("compare").get("patterns", ())}
    compared = [_compared(pattern, before.get(pattern.pattern)) for pattern in after]
    return flow.keep(
        "\n".join(each["told"] for each in compared) or "no access pattern is declared",
        found={"patterns": compared},
    )


def _compared(after: PatternEvidence, before: Mapping[str, Any] | None) -> dict[str, Any]:
    told = told_plan(after)
    if before is not None:
        way = f"used {', '.join(before['indexes'])}" if before["is_served"] else "read the table whole"
        told += f"; before: {way}, cost {before['cost']:.0f}"
    return {
        "pattern": after.pattern,
        "before": dict(before) if before else None,
        "after": after.to_json(),
        "told": told,
    }
