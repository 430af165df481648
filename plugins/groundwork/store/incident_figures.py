"""How incidents and faults go, per fault class: how often, how fast somebody took them on, how fast they were over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, distinct, exists, func, select, tuple_

from groundwork.store.incident_table import INCIDENT
from groundwork.store.strike import STRIKE


def figures(engine: Engine, since: datetime) -> list[Mapping[str, Any]]:
    """One mapping per fault class that occurred since then, in order of class.

    `incidents`, `open`, `resolved`; `mtta_seconds` from its (last) opening until somebody acknowledged or answered it;
    `mttr_seconds` from its first one until it was resolved, without those that were silenced or ignored; means, null
    without any. `struck` task instances, of them `healed` without a person and `escalated`, for this class or for what
    they failed with next; `healed_pct` of those whose end is known.
    """
    with engine.connect() as connection:
        incidents = {row["fault_class"]: dict(row) for row in connection.execute(_incidents(since)).mappings()}
        strikes = {row["fault_class"]: dict(row) for row in connection.execute(_strikes(since)).mappings()}
    nothing = {"incidents": 0, "open": 0, "resolved": 0, "mtta_seconds": None, "mttr_seconds": None}
    found: list[Mapping[str, Any]] = []
    for name in sorted(incidents.keys() | strikes.keys()):
        struck = strikes.get(name, {"struck": 0, "healed": 0, "escalated": 0})
        known = struck["healed"] + struck["escalated"]
        share = round(100 * struck["healed"] / known, 1) if known else None
        found.append({"fault_class": name, **nothing, **incidents.get(name, {}), **struck, "healed_pct": share})
    return found


def _incidents(since: datetime) -> Any:
    taken_on = func.coalesce(func.least(INCIDENT.c.acknowledged_at, INCIDENT.c.answered_at), INCIDENT.c.resolved_at)
    asked_at = func.coalesce(INCIDENT.c.reopened_at, INCIDENT.c.opened_at)
    is_mended = (INCIDENT.c.state == "resolved") & (
        INCIDENT.c.answer.is_(None) | INCIDENT.c.answer.not_in(["ignore", "silence"])
    )
    return (
        select(
            INCIDENT.c.fault_class,
            func.count().label("incidents"),
            func.count().filter(INCIDENT.c.state == "open").label("open"),
            func.count().filter(INCIDENT.c.state == "resolved").label("resolved"),
            _mean_seconds(asked_at, taken_on).label("mtta_seconds"),
            _mean_seconds(INCIDENT.c.opened_at, INCIDENT.c.resolved_at, is_mended).label("mttr_seconds"),
        )
        .where(INCIDENT.c.opened_at >= since)
        .group_by(INCIDENT.c.fault_class)
    )


def _mean_seconds(began_at: Any, ended_at: Any, condition: Any = None) -> Any:
    mean = func.avg(func.extract("epoch", ended_at - began_at))
    return func.round(mean if condition is None else mean.filter(condition), 1)


def _strikes(since: datetime) -> Any:
    instance = tuple_(STRIKE.c.dag_id, STRIKE.c.run_id, STRIKE.c.task_id, STRIKE.c.map_index)
    counted = func.count(distinct(instance))
    later = STRIKE.alias()
    is_escalated = exists().where(
        instance == tuple_(later.c.dag_id, later.c.run_id, later.c.task_id, later.c.map_index),
        later.c.outcome == "escalated",
        later.c.struck_at >= STRIKE.c.struck_at,
    )
    return (
        select(
            STRIKE.c.fault_class,
            counted.label("struck"),
            counted.filter(STRIKE.c.outcome == "healed").label("healed"),
            counted.filter(STRIKE.c.outcome != "healed", is_escalated).label("escalated"),
        )
        .where(STRIKE.c.struck_at >= since)
        .group_by(STRIKE.c.fault_class)
    )
