"""What the criteria of the data API share: keys for a check, a client, findings, and the verdict made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from groundwork.contracts.contract import Domain, RoleContract
from groundwork.model.errors import ConfigError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.store.api_key import ApiKeys

if TYPE_CHECKING:
    import httpx
    from sqlalchemy import Engine

KeyForRole = Callable[[str], str]
_KEY_LIFETIME = timedelta(minutes=15)
_TIMEOUT_SECONDS = 15
_SHOWN = 5  # failures that the summary of a finding names; the details hold all
ACTOR = "foundation:data_access_layer"


@dataclass
class Findings:
    """What was tried and what did not hold."""

    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def expect(self, what: str, expected: object, found: object) -> bool:
        """Count one try; note a failure when the two differ."""
        return self.require(expected == found, f"{what}: expected {expected}, found {found}")

    def require(self, holds: bool, failure: str) -> bool:
        """Count one try; note `failure` when it does not hold."""
        self.tried += 1
        if not holds:
            self.failures.append(failure[:500])
        return holds

    @property
    def summary(self) -> str:
        """The failures in one line, or that there are none."""
        if not self.failures:
            return f"all {self.tried} checks hold"
        rest = f"; and {len(self.failures) - _SHOWN} more" if len(self.failures) > _SHOWN else ""
        return f"{len(self.failures)} of {self.tried} checks fail: {'; '.join(self.failures[:_SHOWN])}{rest}"


@contextmanager
def probe_keys(store: Engine) -> Iterator[KeyForRole]:
    """Keys for the length of a check: one per role on first use, valid for minutes, revoked at the end."""
    keys = ApiKeys(store)
    issued: dict[str, tuple[str, str]] = {}

    def key_for_role(role: str) -> str:
        if role not in issued:
            made = keys.issue(name="foundation check", role=role, by=ACTOR, lifetime=_KEY_LIFETIME)
            issued[role] = (made.key.key_id, made.token)
        return issued[role][1]

    try:
        yield key_for_role
    finally:
        for key_id, _ in issued.values():
            keys.revoke(key_id, by=ACTOR)


@contextmanager
def client(base_url: str, token: str | None) -> Iterator[httpx.Client]:
    """An HTTP client that holds `token`; proxies of the environment are left out, the API is ours."""
    import httpx

    headers = {"X-API-Key": token} if token else {}
    with httpx.Client(base_url=base_url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False) as opened:
        yield opened


def strongest_role(domain: Domain) -> RoleContract:
    """The role that sees most, one that may write where there is one; raises ConfigError when there is no role."""
    if not domain.roles:
        raise ConfigError(
            "no contract of the domain declares a role",
            where=f"domain {domain.name}",
            expected="at least one entry under `roles`",
            found="none",
            next_step="declare who may read and write",
        )
    return max(domain.roles, key=lambda role: (role.access == "write", role.clearance.rank))


def weakest_role(domain: Domain) -> RoleContract:
    """The role that sees least, one that may not write where there is one; raises as `strongest_role` does."""
    strongest_role(domain)
    return min(domain.roles, key=lambda role: (role.access == "write", role.clearance.rank))


def verdict(  # noqa: PLR0913  the parts of a piece of evidence, all named
    criterion: str,
    domain: Domain,
    findings: Findings,
    *,
    expected: str,
    how_measured: str,
    details: dict[str, object],
    step: int,
    found: str | None = None,
    likely_cause: str = "the data API serves other contracts than the ones that are checked, or a rule is broken",
    next_step: str = "restart the data API (`groundwork down`, `groundwork up`), then clear the failed task",
) -> CriterionResult:
    """The evidence of one criterion, with cause and next step when it does not hold."""
    is_passed = not findings.failures
    return CriterionResult(
        criterion=criterion,
        passed=is_passed,
        expected=expected,
        found="; ".join(part for part in (found, findings.summary) if part),
        how_measured=how_measured,
        operation=Operation(project=domain.name, name=criterion, step=step, kind="apis"),
        likely_cause=None if is_passed else likely_cause,
        next_step=None if is_passed else next_step,
        details={**details, "checks": findings.tried, "failures": findings.failures},
    )
