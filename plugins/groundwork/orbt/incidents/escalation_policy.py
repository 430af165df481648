"""How bad an incident is by what it holds up, when one that nobody has answered is escalated on, and who is told then:
the policy `escalation.yaml`.

A level is reached when an incident has waited for so many minutes, by its urgency. Whoever acknowledged it stops the
levels that are not for acknowledged ones. Source: requirements O5 and O8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from groundwork.model.fault import Urgency
from groundwork.model.incident import Severity, open_since
from groundwork.orbt.policy_document import PolicyPart, read_policy_or

FILE = "escalation.yaml"
_Count = Annotated[int, Field(ge=2, strict=True)]  # one is no crowd
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


class Crowd(PolicyPart):
    """From how many task instances, or Dags, that one cause holds up an incident is worse: `steps` above what it hits
    by itself, and `at_least` so bad.
    """

    task_instances: _Count | None = None
    dags: _Count | None = None
    steps: int = Field(default=0, ge=0, le=3, strict=True)
    at_least: Severity = Severity.LOW

    @model_validator(mode="after")
    def _says_something(self) -> Crowd:
        if self.task_instances is None and self.dags is None:
            raise ValueError("a line of `severity` counts `task_instances`, `dags` or both")
        if not self.steps and self.at_least is Severity.LOW:
            raise ValueError("a line of `severity` raises it by `steps`, or says what it is `at_least`")
        return self

    def is_reached(self, task_instances: int, dags: int) -> bool:
        """Whether so many are a crowd: one of the two is enough."""
        return (self.task_instances is not None and task_instances >= self.task_instances) or (
            self.dags is not None and dags >= self.dags
        )


CROWDS = (
    Crowd(task_instances=3, dags=2, at_least=Severity.MEDIUM),
    Crowd(task_instances=10, dags=4, steps=1, at_least=Severity.HIGH),
    Crowd(task_instances=40, dags=10, steps=2, at_least=Severity.HIGH),
)  # what holds where the policy says nothing of `severity`


class EscalationPolicy(PolicyPart):
    """How what one cause holds up makes its incident worse; the levels, the first one first; hours of a silence when a
    person names none.
    """

    kind: Literal["escalation"]
    version: str
    silence_hours: _Amount
    severity: tuple[Crowd, ...] = CROWDS
    levels: tuple[Level, ...]

    def severity_of(self, alone: Severity, task_instances: int, dags: int) -> Severity:
        """How bad an incident is that would be `alone` by what it hits, while it holds up so many."""
        reached = [each for each in self.severity if each.is_reached(task_instances, dags)]
        found = (max(alone.raised(each.steps), each.at_least, key=lambda one: one.rank) for each in reached)
        return max((alone, *found), key=lambda one: one.rank)

    def due_level(self, incident: Mapping[str, Any], now: datetime) -> int:
        """The level (1, 2, …) that an unanswered incident (a row of `incident`) has reached by now; 0 for none.

        Of one that was opened again the time counts since then.
        """
        urgency = Urgency(incident["report"]["urgency_level"])
        waited = (now - open_since(incident)).total_seconds() / 60
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
