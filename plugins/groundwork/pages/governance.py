"""Governance at a glance: classifications, policies, and the audit trail."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from sqlalchemy import Engine

from groundwork.pages.view import AuditView, ClassificationView, DifferenceView, PoliciesView, PolicyView
from groundwork.store.audit import AuditTrail, ChainVerdict
from groundwork.store.base import utc_now
from groundwork.store.classification import ClassificationResults
from groundwork.store.policy_verdict import PolicyVerdicts

_VERDICT_SECONDS = 300  # verifying reads the whole chain, so a page does it once in that time
_EVENTS = 5  # newest audit events shown


def classification(store: Engine, domains: Sequence[str]) -> ClassificationView | None:
    """The newest comparison of declared and detected classifications; null before the first."""
    repository = ClassificationResults(store)
    rows = [row for domain in domains for row in repository.latest(domain)]
    if not rows:
        return None
    return ClassificationView(
        columns=len(rows),
        differences=tuple(_difference(row) for row in rows if not row["is_agreed"]),
        compared_at=max(row["classified_at"] for row in rows),
    )


def policies(store: Engine, domains: Sequence[str]) -> PoliciesView | None:
    """The newest verdicts: how many passed, and those that did not, blocking ones first; null before the first."""
    repository = PolicyVerdicts(store)
    rows = [row for domain in domains for row in repository.latest(domain)]
    if not rows:
        return None
    failed = sorted((row for row in rows if not row["is_passed"]), key=lambda row: (row["effect"], row["id"]))
    return PoliciesView(passed=len(rows) - len(failed), failed=tuple(_policy(row) for row in failed))


def audit(store: Engine) -> AuditView | None:
    """The chain's verdict, at most five minutes old, and the newest events."""
    trail = AuditTrail(store)
    latest = trail.latest(limit=_EVENTS)
    if not latest:
        return None
    kept = _VERDICTS.of(store, trail, newest=latest[0]["sequence"])
    return AuditView(
        events=latest[0]["sequence"],
        is_intact=kept.verdict.is_intact,
        reason=kept.verdict.reason,
        verified_at=kept.verified_at,
        latest=latest,
    )


@dataclass(frozen=True, kw_only=True)
class _KeptVerdict:
    verdict: ChainVerdict
    verified_at: datetime
    clock: float


class _Verdicts:
    """The latest verdict per store, so that a page does not read the whole chain each time."""

    def __init__(self) -> None:
        self._kept: dict[str, _KeptVerdict] = {}
        self._lock = Lock()

    def of(self, store: Engine, trail: AuditTrail, *, newest: int) -> _KeptVerdict:
        """The kept verdict, or a new one when it is old, or when the chain has become shorter."""
        key = store.url.render_as_string(hide_password=True)
        with self._lock:
            kept = self._kept.get(key)
            is_old = kept is None or time.monotonic() - kept.clock > _VERDICT_SECONDS or newest < kept.verdict.events
            if kept is None or is_old:
                kept = _KeptVerdict(verdict=trail.verify(), verified_at=utc_now(), clock=time.monotonic())
                self._kept[key] = kept
            return kept


_VERDICTS = _Verdicts()


def _difference(row: Mapping[str, Any]) -> DifferenceView:
    return DifferenceView(
        table=row["table_name"],
        column=row["column_name"],
        difference=row["difference"] or "",
        confidence=row["confidence"],
        evidence="; ".join(row["evidence"]),
    )


def _policy(row: Mapping[str, Any]) -> PolicyView:
    names = ("policy", "rule", "subject", "effect", "expected", "found", "next_step")
    return PolicyView(**{name: row[name] for name in names})
