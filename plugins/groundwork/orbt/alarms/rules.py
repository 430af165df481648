"""Which facts ask for a person at once, without waiting for strikes: the policy of alarms, and its rules over a strike.

The policy is `governance/policies/alarms.yaml`. It has two feeds. At a strike `alarm_of` says whether the failure is an
alarm by itself: `Responder.respond` then runs no remedy and asks a person, and the incident is critical. Over the store
`groundwork.orbt.alarms.scan` looks at what runs have recorded. What no rule names follows the strikes. Source:
requirement O6, whose words `AlarmKind` holds.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundwork.model.fault import Circumstances, Fault, Impact, StrikeAction, TaskTry
from groundwork.orbt.policy_document import Expression, PolicyPart, read_policy_or
from groundwork.orbt.policy_in_force import policy_in_force
from groundwork.orbt.strikes import Decision

_log = logging.getLogger(__name__)
POLICY = "alarms.yaml"
ALARM_REASON = "an immediate alarm"  # how a reason of an incident's severity begins that an alarm opened


class AlarmKind(StrEnum):
    """What an alarm is about."""

    DATA_LOSS = "data_loss"
    BREACH = "breach"
    VIOLATION = "compliance_or_governance_violation"
    BUSINESS = "business_pipeline_failure"
    PERFORMANCE = "severe_performance_loss"
    COMPROMISE = "suspected_compromise"
    SHARING = "failed_sharing"
    MODEL = "degraded_model"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One finding. `rule` and `subject` are its cause; `evidence` names the fact, so that each fact alarms once."""

    rule: str
    kind: AlarmKind
    domain: str
    subject: str
    evidence: str
    what: str
    next_step: str


class _Rule(PolicyPart):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    kind: AlarmKind
    next_step: str


class StrikeRule(_Rule):
    """A failure that is an alarm by itself: every condition that is given holds. Names of Dags, assets and operators
    are patterns with `*`; `messages` are regular expressions; `from_strike` is the first strike that alarms.
    """

    fault_classes: tuple[str, ...] = ()
    sqlstates: tuple[str, ...] = ()
    messages: tuple[Expression, ...] = ()
    dags: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    from_strike: int = Field(default=1, ge=1, le=3)

    @model_validator(mode="after")
    def _has_a_condition(self) -> StrikeRule:
        given = (self.fault_classes, self.sqlstates, self.messages, self.dags, self.assets, self.operations)
        if not any(given):
            raise ValueError("a rule without a condition would make every failure an alarm")
        return self


class ChainRule(_Rule):
    """The audit trail's chain is broken: somebody changed what was written."""

    watch: Literal["audit_chain"]


class VerdictRule(_Rule):
    """A policy's verdict failed in the newest run of a domain; what is left out holds for all."""

    watch: Literal["policy_verdicts"]
    policies: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    effects: tuple[Literal["block", "warn"], ...] = ("block",)


class CheckRule(_Rule):
    """A check failed at its newest measurement; what is left out holds for all."""

    watch: Literal["quality_checks"]
    kinds: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    severities: tuple[str, ...] = ("error",)


class DropRule(_Rule):
    """A table's newest measure fell against the median of those before: `measure` is a dimension or `row_count`.

    `fall_pct`: points of a dimension, per cent of a row count. Fewer than `history` measures before alarm nothing.
    """

    watch: Literal["score_drop"]
    measure: str
    fall_pct: float = Field(gt=0, le=100)
    history: int = Field(default=3, ge=1, le=30)
    tables: tuple[str, ...] = ("*",)


class AuditRule(_Rule):
    """The audit trail tells of one of these actions `times` times within `within_minutes`, about or by the same."""

    watch: Literal["audit_events"]
    actions: tuple[str, ...] = Field(min_length=1)
    by: Literal["subject", "actor"] = "subject"
    times: int = Field(default=1, ge=1)
    within_minutes: float = Field(default=60, gt=0, le=1440)


class SurgeRule(_Rule):
    """A key of the data API was given far more rows today than on any of its `history` days before.

    More than `factor` times as many, and at least `least_rows`. A key without `history` days alarms nothing.
    """

    watch: Literal["read_surge"]
    factor: float = Field(default=10, gt=1)
    least_rows: int = Field(default=100_000, ge=1)
    history: int = Field(default=3, ge=1, le=60)


class StrikesRule(_Rule):
    """At least `tasks` different tasks were struck within `within_minutes`; what is left out holds for all."""

    watch: Literal["strikes"]
    fault_classes: tuple[str, ...] = ()
    dags: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    tasks: int = Field(default=3, ge=1)
    within_minutes: float = Field(default=60, gt=0, le=1440)

    @model_validator(mode="after")
    def _has_a_condition(self) -> StrikesRule:
        if not (self.fault_classes or self.dags):
            raise ValueError("a rule over strikes names fault classes or Dags")
        return self


ScanRule = Annotated[
    ChainRule | VerdictRule | CheckRule | DropRule | AuditRule | SurgeRule | StrikesRule,
    Field(discriminator="watch"),
]


class AlarmPolicy(PolicyPart):
    """The rules of both feeds; `look_back_hours`: facts older than that alarm nobody any more."""

    kind: Literal["alarms"]
    version: str
    look_back_hours: float = Field(default=24, gt=0, le=720)
    at_strikes: tuple[StrikeRule, ...] = ()
    in_store: tuple[ScanRule, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> AlarmPolicy:
        names = [rule.name for rule in (*self.at_strikes, *self.in_store)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {', '.join(twice)}")
        return self


_NOTHING = AlarmPolicy(kind="alarms", version="0")


@cache
def read_alarm_policy(folder: Path) -> AlarmPolicy:
    """The policy in `folder`, read once per process; without a file nothing is an alarm.

    Raises: ConfigError as `read_policy_document`.
    """
    return read_policy_or(_NOTHING, folder / POLICY)


def alarm_of(
    policy: AlarmPolicy,
    fault: Fault,
    task_try: TaskTry,
    impact: Impact,
    *,
    circumstances: Circumstances | None = None,
    number: int = 1,
) -> Alarm | None:
    """The alarm that a failure is, by the first rule that holds; null when it takes its strikes.

    `number` is the strike that this failure is.
    """
    where = circumstances or Circumstances()
    for rule in policy.at_strikes:
        if number >= rule.from_strike and _holds(rule, fault, task_try, impact, where):
            return Alarm(
                rule=rule.name,
                kind=rule.kind,
                domain=impact.domain,
                subject=f"{task_try.dag_id} / {task_try.task_id}",
                evidence=f"{task_try.run_id} / {task_try.map_index} / {task_try.try_number}",
                what=f"{rule.kind.replace('_', ' ')}: {fault.fault_class} at {task_try.dag_id} / {task_try.task_id}",
                next_step=rule.next_step,
            )
    return None


def strike_alarm(
    project: Path, fault: Fault, task_try: TaskTry, impact: Impact, *, circumstances: Circumstances | None, number: int
) -> Alarm | None:
    """As `alarm_of` by the policy of a project. Never raises: one that cannot be read is told in the log, and until it
    is corrected what it said before holds in this process, else the failure takes its strikes.
    """
    folder = project / "governance" / "policies"
    policy = policy_in_force(folder / POLICY, lambda: read_alarm_policy(folder), lambda: _NOTHING)
    try:
        return alarm_of(policy, fault, task_try, impact, circumstances=circumstances, number=number)
    except Exception:  # a failure is answered whatever the trouble with a rule is
        _log.exception("the rules of alarms cannot be asked; the failure takes its strikes")
        return None


def at_once(decision: Decision, alarm: Alarm) -> Decision:
    """The decision about a failure that is an alarm: no remedy, a person now."""
    return Decision(
        number=decision.number,
        action=StrikeAction.ASK_PERSON,
        reason=f"strike {decision.number}, alarm {alarm.rule}: {alarm.what}; {alarm.next_step}",
    )


def _holds(rule: StrikeRule, fault: Fault, task_try: TaskTry, impact: Impact, where: Circumstances) -> bool:
    return (
        _is_one_of((fault.fault_class,), rule.fault_classes)
        and _is_one_of((fault.sqlstate or "",), rule.sqlstates)
        and (not rule.messages or any(re.search(message, fault.message) for message in rule.messages))
        and _is_one_of((task_try.dag_id,), rule.dags)
        and _is_one_of(impact.assets, rule.assets)
        and _is_one_of((where.operation or "",), rule.operations)
    )


def _is_one_of(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether one of the names found matches one of the wanted patterns; true when nothing is wanted."""
    return not wanted or any(fnmatchcase(name, pattern) for name in found for pattern in wanted)
