"""The gates of a release in order, how each is measured and kept, and the decision over all of them.

A gate whose measurement itself breaks is closed, with what broke as the finding. A person may override a closed gate,
by name, with a reason and for a time; that is in the audit trail and in the decision's words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from groundwork.foundation.release.backup_verified import backup_verified
from groundwork.foundation.release.data_validated import data_validated
from groundwork.foundation.release.migration_tested import migration_tested
from groundwork.foundation.release.performance_tested import performance_tested
from groundwork.foundation.release.schema_review import schema_reviewed
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.errors import ConfigError, DataQualityError, GroundworkError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.release import Releases

GATES: Mapping[str, Callable[[ReleaseSubject], CriterionResult]] = {
    "schema_reviewed": schema_reviewed,
    "migration_tested": migration_tested,
    "performance_tested": performance_tested,
    "data_validated": data_validated,
    "backup_verified": backup_verified,
}
_FIRST_STEP = 400  # of the operation ids: gates are 400, 401, …, the decision 499
_LONGEST_OVERRIDE_HOURS = 30 * 24
_SHORTEST_REASON = 10  # characters


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision over a run's gates.

    `gates` are rows of `release_gate`, `blocking` the names of those that block, `overridden` who let which pass.
    """

    domain: str
    run_id: str
    is_passed: bool
    why: str
    gates: tuple[Mapping[str, Any], ...]
    blocking: tuple[str, ...]
    overridden: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        names = ("gate", "is_passed", "expected", "found", "how_measured", "likely_cause", "next_step", "operation_id")
        gates = [{name: row[name] for name in names} | {"seconds": round(row["seconds"], 3)} for row in self.gates]
        told = {"domain": self.domain, "run_id": self.run_id, "is_passed": self.is_passed, "why": self.why}
        return {**told, "gates": gates, "overridden": dict(self.overridden)}

    def to_text(self) -> str:
        """For a person."""
        lines = []
        for row in self.gates:
            state = "passes" if row["is_passed"] else "OVERRIDDEN" if row["gate"] in self.overridden else "BLOCKS"
            lines.append(f"{state:<10} {row['gate']}: {row['found']}")
            if not row["is_passed"]:
                lines.append(f"{'':<11}expected: {row['expected']}")
                lines += [f"{'':<11}{word}: {row[key]}" for word, key in _HINTS if row[key]]
            if row["gate"] in self.overridden:
                lines.append(f"{'':<11}let through by {self.overridden[row['gate']]}")
        return "\n".join([*lines, f"{self.domain}: {self.why}"])

    def raise_if_blocked(self) -> None:
        """Return when the release may go on. Raises: DataQualityError with everything that stands in the way."""
        if self.is_passed:
            return
        raise DataQualityError(
            f"the release of {self.domain} is blocked\n{self.to_text()}",
            where=f"run {self.run_id}",
            expected="every gate lets it pass",
            found=f"{', '.join(self.blocking)} do not",
            next_step="mend what the gates name and clear their tasks, or `groundwork gate override`",
        )


_HINTS = (("likely cause", "likely_cause"), ("next step", "next_step"))


def measure_gate(subject: ReleaseSubject, gate: str, *, run_id: str) -> CriterionResult:
    """Measure one gate and keep what was found. Raises: ConfigError for a gate that there is not."""
    require_gate(gate)
    operation = Operation(
        project=subject.domain.name, name=gate.replace("_", " "), step=_FIRST_STEP + list(GATES).index(gate)
    )
    started = time.perf_counter()
    try:
        result = replace(GATES[gate](subject), criterion=gate, operation=operation)
    except Exception as error:
        result = CriterionResult(
            criterion=gate,
            passed=False,
            expected="the measurement runs to its end",
            found=_told(error),
            how_measured="the measurement itself failed",
            operation=operation,
            likely_cause="what the gate needs is not there or does not answer",
            next_step=getattr(error, "next_step", None) or "read the log of the measurement",
        )
    Releases(subject.store).record(run_id, result, time.perf_counter() - started)
    return result


def decide(store: Engine, domain: str, *, run_id: str, actor: str, gates: Sequence[str] = tuple(GATES)) -> Decision:
    """The decision over what the run measured of `gates`; kept, and in the audit trail. A gate not measured blocks."""
    releases, now = Releases(store), utc_now()
    rows = {row["gate"]: row for row in releases.gates(run_id)}
    overrides = releases.overrides(domain, now)
    closed = [gate for gate in gates if gate not in rows or not rows[gate]["is_passed"]]
    overridden = {
        gate: f"{overrides[gate]['person']}, until {overrides[gate]['expires_at']:%Y-%m-%d %H:%M} UTC: "
        f"{overrides[gate]['reason']}"
        for gate in closed
        if gate in overrides and gate in rows
    }
    blocking = [gate for gate in closed if gate not in overridden]
    why = _why(rows, gates, blocking, overridden)
    releases.decide(run_id, is_passed=not blocking, why=why)
    operation = Operation(project=domain, name="release", step=_FIRST_STEP + 99)
    AuditTrail(store).append(
        actor=actor,
        action="release_blocked" if blocking else "release_passed",
        subject=domain,
        operation_id=operation.id,
        section=operation.section,
        details={"run_id": run_id, "blocking": blocking, "overridden": overridden},
    )
    return Decision(
        domain=domain,
        run_id=run_id,
        is_passed=not blocking,
        why=why,
        gates=tuple(rows[gate] for gate in gates if gate in rows),
        blocking=tuple(blocking),
        overridden=overridden,
    )


def override_gate(store: Engine, domain: str, gate: str, *, person: str, reason: str, actor: str, hours: float) -> int:
    """Let a gate of a domain pass for `hours`, whatever it finds, on a person's word; the override's id.

    Raises: ConfigError without a name, a reason of some length, a known gate, or a time of at most thirty days.
    """
    require_gate(gate)
    person, reason = person.strip(), " ".join(reason.split())
    if not person or len(reason) < _SHORTEST_REASON or not 0 < hours <= _LONGEST_OVERRIDE_HOURS:
        raise ConfigError(
            f"the gate `{gate}` is not overridden",
            where=f"domain {domain}",
            expected=f"the person's name, a reason of at least {_SHORTEST_REASON} characters, and at most "
            f"{_LONGEST_OVERRIDE_HOURS} hours",
            found=f"person `{person}`, reason `{reason}`, {hours:g} hours",
            next_step="say who answers for it, and why it may pass",
        )
    expires_at = utc_now() + timedelta(hours=hours)
    found = Releases(store).override(domain, gate, person=person, reason=reason, actor=actor, expires_at=expires_at)
    AuditTrail(store).append(
        actor=actor,
        action="gate_overridden",
        subject=f"{domain}/{gate}",
        details={"person": person, "reason": reason, "expires_at": expires_at.isoformat(), "override_id": found},
    )
    return found


def require_gate(gate: str) -> None:
    """Return for a known gate. Raises: ConfigError for any other."""
    if gate not in GATES:
        raise ConfigError(f"there is no gate `{gate}`", expected=f"one of {', '.join(GATES)}", found=gate)


def _told(error: Exception) -> str:
    """What broke: ours in full, because it is written for people; of anything else the class, as texts quote values."""
    if isinstance(error, GroundworkError):
        return f"{error.what}" + (f": {error.found}" if error.found is not None else "")
    return type(error).__name__


def _why(
    rows: Mapping[str, Mapping[str, Any]], gates: Sequence[str], blocking: Sequence[str], overridden: Mapping[str, str]
) -> str:
    if blocking:
        reasons = [f"{gate} ({rows[gate]['found'] if gate in rows else 'not measured'})" for gate in blocking]
        return f"blocked by {len(blocking)} of {len(gates)} gates: {'; '.join(reasons)}"
    if overridden:
        names = "; ".join(f"{gate} by {who}" for gate, who in overridden.items())
        return f"passed, with {len(overridden)} gates overridden: {names}"
    return f"passed: all {len(gates)} gates let it pass"
