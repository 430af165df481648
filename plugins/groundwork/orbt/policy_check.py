"""Whether the error patterns and the policies of ORBT can be read: for commands, pages and the sweep.

What holds while one cannot is not said here (`policy_in_force`, `patterns`, `remedies.policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.contracts.document import read_document
from groundwork.model.errors import ConfigError
from groundwork.orbt.alarms import rules as alarms
from groundwork.orbt.backups.policy import BackupPolicy
from groundwork.orbt.incidents import escalation_policy, notifications
from groundwork.orbt.patterns import read_pattern, readable_patterns
from groundwork.orbt.policy_document import PolicyPart, read_policy_document
from groundwork.orbt.policy_in_force import problem_of
from groundwork.orbt.remedies.policy import RemedyPolicy
from groundwork.orbt.tries import breaker
from groundwork.orbt.tries.alternative_policy import AlternativePolicy

POLICIES = Path("governance") / "policies"
_PATTERNS = Path("governance") / "patterns"
MODELS: Mapping[str, type[PolicyPart]] = {  # by the name of the file
    alarms.POLICY: alarms.AlarmPolicy,
    "alternatives.yaml": AlternativePolicy,
    "backup.yaml": BackupPolicy,
    breaker.POLICY_FILE: breaker.BreakerPolicy,
    escalation_policy.FILE: escalation_policy.EscalationPolicy,
    notifications.POLICY: notifications.NotificationPolicy,
    "remedies.yaml": RemedyPolicy,
}


@dataclass(frozen=True, kw_only=True)
class CheckedPolicy:
    """One file, by its path from the project; kind and version as it says them, `problem` is null when it is right."""

    file: str
    kind: str | None = None
    version: str | None = None
    problem: ConfigError | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready: the parts of the problem by name."""
        parts = ("what", "where", "expected", "found", "next_step")
        told = {name: getattr(self.problem, name) for name in parts} if self.problem else None
        problem = {name: value if value is None else str(value) for name, value in told.items()} if told else None
        return {"file": self.file, "kind": self.kind, "version": self.version, "problem": problem}


def healing_policies(project: Path) -> tuple[CheckedPolicy, ...]:
    """Every pattern, and every policy of ORBT that has a file, as the files are now; never raises."""
    return tuple(_healing(project))


def checked(path: Path, project: Path, read: Callable[[Path], object], kind: str | None = None) -> CheckedPolicy:
    """What `read` says of the file at `path`; `kind` is of files that do not say it. Never raises."""
    told: Mapping[str, Any] = {}
    problem: ConfigError | None = None
    try:
        told = read_document(path).data
        read(path)
    except Exception as error:
        problem = problem_of(error, path)
    return CheckedPolicy(
        file=str(path.relative_to(project)),
        kind=kind or _text(told.get("kind")),
        version=_text(told.get("version")),
        problem=problem,
    )


def _healing(project: Path) -> Iterator[CheckedPolicy]:
    patterns = sorted((project / _PATTERNS).glob("*.yaml"))
    for path in patterns:
        yield checked(path, project, read_pattern, "pattern")
    if not patterns:
        _, (problem,) = readable_patterns(project / _PATTERNS)
        yield CheckedPolicy(file=str(_PATTERNS), problem=problem)
    for name, model in MODELS.items():
        path = project / POLICIES / name
        if path.exists():
            yield checked(path, project, lambda each, model=model: read_policy_document(each, model))  # type: ignore[misc]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
