"""When incidents that nobody answers are escalated on while `escalation.yaml` cannot be read."""

from __future__ import annotations

from pathlib import Path

from groundwork.model.fault import Urgency
from groundwork.orbt.incidents.escalation_policy import FILE, EscalationPolicy, Level, read_escalation_policy
from groundwork.orbt.policy_in_force import policy_in_force

_SOON = {Urgency.CRITICAL: 15.0, Urgency.HIGH: 60.0, Urgency.MEDIUM: 480.0, Urgency.LOW: 2880.0}  # minutes
_LATER = {Urgency.CRITICAL: 45.0, Urgency.HIGH: 240.0, Urgency.MEDIUM: 1440.0, Urgency.LOW: 10080.0}
BUILT_IN = EscalationPolicy(
    kind="escalation",
    version="0",
    silence_hours=4,
    levels=(
        Level(after_minutes=_SOON, channels=(), acknowledged=False),
        Level(after_minutes=_LATER, channels=(), acknowledged=True),
    ),
)


def escalation_policy_in_force(policies: Path) -> EscalationPolicy:
    """The policy that holds now: while its file cannot be read, the last good one or `BUILT_IN`. Never raises."""
    return policy_in_force(policies / FILE, lambda: read_escalation_policy(policies), lambda: BUILT_IN)
