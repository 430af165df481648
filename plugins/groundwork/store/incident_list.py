"""Which incidents a list shows and in what order, as SQL: the rows that are cut away are the ones that matter least.

Not over: open ones before answered ones, the worst first, then the oldest. Over: those whose review is owed first, then
the newest. `groundwork.model.incident` tells the same of one row that was read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, false, func, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, array

from groundwork.model.incident import Severity, Stage
from groundwork.store.incident_table import INCIDENT

_IS_OPEN = INCIDENT.c.state == "open"
_IS_OVER = INCIDENT.c.state == "resolved"
_OWES_REVIEW = and_(_IS_OVER, INCIDENT.c.severity == Severity.CRITICAL, INCIDENT.c.reviewed_at.is_(None))
_STAGES: dict[Stage, ColumnElement[bool]] = {
    Stage.OPEN: and_(_IS_OPEN, INCIDENT.c.acknowledged_at.is_(None)),
    Stage.ACKNOWLEDGED: and_(_IS_OPEN, INCIDENT.c.acknowledged_at.is_not(None)),
    Stage.ANSWERED: INCIDENT.c.state.not_in(["open", "resolved"]),
    Stage.RESOLVED: and_(_IS_OVER, INCIDENT.c.reviewed_at.is_(None)),
    Stage.REVIEWED: and_(_IS_OVER, INCIDENT.c.reviewed_at.is_not(None)),
}
UNANSWERED = frozenset({Stage.OPEN, Stage.ACKNOWLEDGED})
OVER = frozenset({Stage.RESOLVED, Stage.REVIEWED})
NOT_OVER = frozenset(Stage) - OVER


@dataclass(frozen=True, kw_only=True)
class IncidentFilter:
    """Which incidents are meant; null is no limit.

    `severity` is the least; `dag` is part of it, `owner` one of its owners. `dags` are those that somebody may see: an
    incident that only other Dags are part of is not meant, one that no task failed for always is. Who may not see `dag`
    is told of none.
    """

    stages: Collection[Stage] | None = None
    domain: str | None = None
    fault_class: str | None = None
    severity: Severity | None = None
    dag: str | None = None
    owner: str | None = None
    dags: Collection[str] | None = None


@dataclass(frozen=True, kw_only=True)
class IncidentTally:
    """How many incidents there are; `oldest_at` is when the oldest of the open ones opened, null without any."""

    open: int
    answered: int
    over: int
    unreviewed: int
    oldest_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class IncidentChoices:
    """What incidents can be chosen by, in order; each occurs in one at least."""

    domains: tuple[str, ...]
    classes: tuple[str, ...]
    owners: tuple[str, ...]


def tally_query(chosen: IncidentFilter) -> Any:
    """One row with the columns of IncidentTally, of the incidents that are meant."""
    return select(
        func.count().filter(_IS_OPEN).label("open"),
        func.count().filter(_STAGES[Stage.ANSWERED]).label("answered"),
        func.count().filter(_IS_OVER).label("over"),
        func.count().filter(_OWES_REVIEW).label("unreviewed"),
        func.min(INCIDENT.c.opened_at).filter(_IS_OPEN).label("oldest_at"),
    ).where(matches(chosen))


def dags_query() -> Any:
    """The id of every Dag that is part of an incident, each once."""
    members = func.jsonb_path_query(INCIDENT.c.affected, cast("$[*].dag_id", JSONPATH), type_=JSONB)
    return select(members.label("dag_id")).distinct()


def matches(chosen: IncidentFilter) -> ColumnElement[bool]:
    """The condition that an incident is meant."""
    conditions: list[ColumnElement[bool]] = []
    if chosen.stages is not None:
        conditions.append(or_(false(), *(_STAGES[stage] for stage in sorted(chosen.stages))))
    if chosen.domain is not None:
        conditions.append(INCIDENT.c.domain == chosen.domain)
    if chosen.fault_class is not None:
        conditions.append(INCIDENT.c.fault_class == chosen.fault_class)
    if chosen.severity is not None:
        least = chosen.severity.rank
        conditions.append(INCIDENT.c.severity.in_([each for each in Severity if each.rank >= least]))
    if chosen.owner is not None:
        conditions.append(INCIDENT.c.assessment.contains({"owners": [chosen.owner]}))
    if chosen.dag is not None:
        may_see = chosen.dags is None or chosen.dag in chosen.dags
        conditions.append(INCIDENT.c.affected.contains([{"dag_id": chosen.dag}]) if may_see else false())
    if chosen.dags is not None:
        conditions.append(or_(func.jsonb_array_length(INCIDENT.c.affected) == 0, _has_one_of(chosen.dags)))
    return and_(true(), *conditions)


def choices_query(dags: Collection[str] | None) -> Any:
    """One row of arrays, the columns of IncidentChoices, of the incidents that readers of these Dags may see."""
    seen = select(INCIDENT).where(matches(IncidentFilter(dags=dags))).cte("seen")
    owner = func.jsonb_path_query(seen.c.assessment, cast("$.owners[*]", JSONPATH), type_=JSONB)
    owners = select(owner.label("owner")).distinct().subquery()
    return select(
        select(func.array_agg(seen.c.domain.distinct())).scalar_subquery().label("domains"),
        select(func.array_agg(seen.c.fault_class.distinct())).scalar_subquery().label("classes"),
        select(func.array_agg(owners.c.owner)).scalar_subquery().label("owners"),
    )


def order() -> tuple[Any, ...]:
    """How lists are ordered; no two incidents share a place."""
    rank = case({each.value: each.rank for each in Severity}, value=INCIDENT.c.severity, else_=-1)
    return (
        case({"open": 0, "resolved": 2}, value=INCIDENT.c.state, else_=1),
        case((_IS_OVER, None), else_=rank).desc().nulls_last(),
        _OWES_REVIEW.desc(),
        case((_IS_OVER, INCIDENT.c.resolved_at)).desc().nulls_last(),
        INCIDENT.c.opened_at,
        INCIDENT.c.id,
    )


def _has_one_of(dags: Collection[str]) -> ColumnElement[bool]:
    members = func.jsonb_path_query_array(INCIDENT.c.affected, cast("$[*].dag_id", JSONPATH), type_=JSONB)
    has_any: ColumnElement[bool] = cast(members, JSONB).has_any(array(sorted(dags), type_=Text))
    return has_any
