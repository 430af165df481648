"""How bad an incident is, from what it hits: later tasks, assets, who reads the tables, what was promised, how many.

From how many on it is worse is declared in `escalation.yaml`.

The reasons are kept with the severity, so that nobody has to guess. Everything read here is a file of the project; what
cannot be read is left out, because an incident half known is better than none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.contracts.consumers import Consumer, all_uses, users
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.read import read_domain
from groundwork.model.fault import Strike, Urgency
from groundwork.model.incident import Assessment, Severity
from groundwork.orbt.incidents.escalation_policy import EscalationPolicy

_log = logging.getLogger(__name__)
_BUSINESS = "dbt exposure"  # what people outside the platform use
_READERS = (_BUSINESS, "dbt model", "dbt snapshot", "dag")
_MOST_TOLD = 20  # names of one kind in an assessment


@dataclass(kw_only=True)
class _Found:
    """What is declared about the tables that a failure leaves as they are."""

    consumers: dict[str, str] = field(default_factory=dict)  # kind and name → the table it reads
    promises: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)


def assess(strike: Strike, project: Path) -> Assessment:
    """How bad the incident is that this strike opens; never raises.

    Low: nothing waits for it. Medium: later tasks or assets do. High: somebody reads the tables, or their freshness is
    promised. Critical: what people outside use reads a table whose freshness is promised.
    """
    names = tuple(dict.fromkeys((*strike.impact.assets, *filter(None, [strike.circumstances.table]))))
    found = _declared(names, project)
    outside = [name for name in found.consumers if name.startswith(_BUSINESS)]
    reasons = []
    severity = Severity.LOW
    if strike.impact.downstream_tasks:
        severity = Severity.MEDIUM
        reasons.append(f"{len(strike.impact.downstream_tasks)} later task(s) of the Dag wait")
    if names:
        severity = Severity.MEDIUM
        reasons.append(f"not refreshed: {_told(names)}")
    if found.consumers:
        severity = Severity.HIGH
        reasons.append(f"read by {_told(tuple(found.consumers))}")
    if found.promises:
        severity = Severity.CRITICAL if outside else Severity.HIGH
        reasons.append(f"promised: {_told(tuple(found.promises))}")
    return Assessment(
        severity=severity,
        reasons=tuple(reasons) or ("nothing is known to wait for it",),
        assets=names,
        consumers=tuple(f"{name} ({table})" for name, table in found.consumers.items()),
        promises=tuple(found.promises),
        owners=tuple(sorted({*found.owners, *strike.impact.owners})),
    )


def urgency_of(declared: Urgency, severity: Severity, *, is_corrupt: bool = False) -> Urgency:
    """How soon somebody should look: what the pattern says, and never less than the harm.

    >>> urgency_of(Urgency.HIGH, Severity.LOW)
    <Urgency.HIGH: 'high'>
    """
    if is_corrupt:
        return Urgency.CRITICAL
    return max(declared, Urgency(severity), key=list(Urgency).index)


def raised_by_joins(
    policy: EscalationPolicy, alone: Severity, task_instances: int, dags: int
) -> tuple[Severity, str] | None:
    """The severity that so many task instances of so many Dags make of it, and why; null while they change nothing."""
    found = policy.severity_of(alone, task_instances, dags)
    of = f" of {dags} Dags" if dags > 1 else ""
    return None if found is alone else (found, f"{task_instances} task instances{of} failed for this cause")


def _declared(names: tuple[str, ...], project: Path) -> _Found:
    found = _Found()
    for domain in _domains(project):
        tables = [table for table in domain.tables if table.qualified_name in names]
        if not tables:
            continue
        try:
            uses = all_uses(domain, project=project)
        except Exception:  # a file that cannot be read is somebody else's finding
            _log.warning("who reads the tables of %s is not known", domain.name, exc_info=True)
            uses = ()
        for table in tables:
            _look_at(table, domain, users(uses, table.name), found)
    return found


def _look_at(table: TableContract, domain: Domain, consumers: tuple[Consumer, ...], found: _Found) -> None:
    found.owners.add(domain.contract_of(table).owner)
    for kind in _READERS:
        for consumer in consumers:
            if consumer.kind == kind:
                found.consumers.setdefault(f"{kind} {consumer.name}", table.qualified_name)
                if kind == _BUSINESS and consumer.owner:
                    found.owners.add(consumer.owner)
    if table.freshness is not None:
        amount, unit = table.freshness
        found.promises.append(f"{table.qualified_name} fresh within {amount:g} {unit}")


def _domains(project: Path) -> Iterator[Domain]:
    folder = project / "governance" / "contracts"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            try:
                yield read_domain(path.name, folder)
            except Exception:  # a contract that cannot be read is somebody else's finding
                _log.warning("the contracts of %s cannot be read", path.name, exc_info=True)


def _told(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(names[:_MOST_TOLD]) + more
