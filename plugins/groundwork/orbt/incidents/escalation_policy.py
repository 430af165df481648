"""When an incident that nobody has answered is escalated on, and who is told then: the policy `escalation.yaml`.

A level is reached when an incident has waited for so many minutes, by its urgency. Whoever acknowledged it stops the
levels that are not for acknowledged ones. Source: requirements O5 and O8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from groundwork.model.fault import Urgency
from groundwork.orbt.policy_document import PolicyPart, read_policy_or

FILE = "escalation.yaml"
_Amount = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]  # strict: true is no number


def _is_complete(minutes: dict[Urgency, float]) -> dict[Urgency, float]:
    missing = [each.value for each in Urgency if each not in minutes]
    if missing:
        raise ValueError(f"an urgency is missing: {', '.join(missing)}")
    return minutes


class Level(PolicyPart):
    """Who is told (`channels` of notifications.yaml, besides its routes) after how many minutes of waiting.

    `acknowledged`: also of incidents that somebody acknowledged.
    """

    after_minutes: Annotated[dict[Urgency, _Amount], AfterValidator(_is_complete)]
    channels: tuple[str, ...]
    acknowledged: bool = Field(strict=True)


class EscalationPolicy(PolicyPart):
    """The levels, the first one first; hours of a silence when a person names none."""

    kind: Literal["escalation"]
    version: str
    silence_hours: _Amount
    levels: tuple[Level, ...]

    def due_level(self, incident: Mapping[str, Any], now: datetime) -> int:
        """The level (1, 2, …) that an unanswered incident (a row of `incident`) has reached by now; 0 for none."""
        urgency = Urgency(incident["report"]["urgency_level"])
        waited = (now - incident["opened_at"]).total_seconds() / 60
        reached = [
            number
            for number, level in enumerate(self.levels, start=1)
            if waited >= level.after_minutes[urgency] and (level.acknowledged or not incident["acknowledged_at"])
        ]
        return max(reached, default=0)


NOTHING = EscalationPolicy(kind="escalation", version="0", silence_hours=4, levels=())


def read_escalation_policy(policies: Path) -> EscalationPolicy:
    """The policy in the folder of policies; without its file nothing is escalated on.

    Raises: ConfigError with file and line when it is not one.
    """
    return read_policy_or(NOTHING, policies / FILE)
