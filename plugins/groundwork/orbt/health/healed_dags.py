"""The Dags that ORBT heals and that no contract declares: those with strikes in thirty days, or hit by an incident.

Three queries, however many Dags there are. A Dag belongs to the domain that its newest strike names, which is its own
id where its tasks name none.
"""

# groundwork: allow-file own_session reads what the store says of strikes and incidents, not rows of tables

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Connection, Engine, Text, and_, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, aggregate_order_by

from groundwork.contracts.contract import Domain
from groundwork.orbt.health.facts_reading import ACCEPTED, STRIKE_WAITS, told_incident, told_strike
from groundwork.orbt.health.score import TRIES_DAYS
from groundwork.orbt.health.states import Facts
from groundwork.orbt.health.subjects import PipelineKind, WatchedPipeline, watched_pipelines
from groundwork.store.belonging import struck_target
from groundwork.store.incident_table import INCIDENT
from groundwork.store.strike import STRIKE


@dataclass(frozen=True, kw_only=True)
class HealedDag:
    """One Dag; `strikes` and, among them, `healed` ones count thirty days."""

    pipeline: WatchedPipeline
    facts: Facts
    strikes: int = 0
    healed: int = 0


def healed_dags(store: Engine, domains: Sequence[Domain], now: datetime) -> tuple[HealedDag, ...]:
    """These Dags as of `now`, by id. Raises: what the driver raises when the store does not answer."""
    declared = {each.dag_id for domain in domains for each in watched_pipelines(domain)}
    with store.connect() as connection:
        struck = _struck(connection, declared, now - timedelta(days=TRIES_DAYS))
        waiting = _waiting(connection, declared, now)
        incidents = _incidents(connection, declared)
    names = sorted({*struck, *waiting, *incidents})
    return tuple(_dag(name, struck.get(name), waiting.get(name), incidents.get(name)) for name in names)


def _dag(
    name: str,
    struck: Mapping[str, Any] | None,
    waiting: Mapping[str, Any] | None,
    incidents: Mapping[str, Any] | None,
) -> HealedDag:
    troubles = []
    if waiting is not None:
        troubles.append((waiting["struck_at"], told_strike(waiting)))
    if incidents is not None:
        troubles.append((incidents["opened_at"], told_incident(incidents)))
    since, told = max(troubles, default=(None, None))
    newest = struck or incidents or waiting or {}
    pipeline = WatchedPipeline(
        name=name,
        dag_id=name,
        domain=str(newest["domain"]),
        kind=PipelineKind.OTHER,
        connections=tuple(sorted(struck["targets"] or ())) if struck else (),
    )
    facts = Facts(
        failing=told,
        failing_since=since,
        strikes=waiting["count"] if waiting else 0,
        incidents=incidents["count"] if incidents else 0,
    )
    counts = {key: int(struck[key]) for key in ("strikes", "healed")} if struck else {}
    return HealedDag(pipeline=pipeline, facts=facts, **counts)


def _struck(connection: Connection, declared: Collection[str], since: datetime) -> dict[str, Mapping[str, Any]]:
    columns = STRIKE.c
    target = struck_target()
    domains = func.array_agg(aggregate_order_by(columns.domain, columns.id.desc()), type_=ARRAY(Text))
    query = (
        select(
            columns.dag_id,
            func.count().label("strikes"),
            func.count().filter(columns.outcome == "healed").label("healed"),
            func.array_agg(target.distinct()).filter(target.is_not(None)).label("targets"),
            domains[1].label("domain"),
        )
        .where(columns.struck_at >= since, columns.dag_id.not_in(declared))
        .group_by(columns.dag_id)
    )
    return {row["dag_id"]: dict(row) for row in connection.execute(query).mappings()}


def _waiting(connection: Connection, declared: Collection[str], now: datetime) -> dict[str, Mapping[str, Any]]:
    """The newest strike of each Dag that waits for its retry, and how many do."""
    columns = STRIKE.c
    query = (
        select(STRIKE, func.count().over(partition_by=columns.dag_id).label("count"))
        .where(columns.outcome == "pending", columns.struck_at > now - STRIKE_WAITS, columns.dag_id.not_in(declared))
        .distinct(columns.dag_id)
        .order_by(columns.dag_id, columns.id.desc())
    )
    return {row["dag_id"]: dict(row) for row in connection.execute(query).mappings()}


def _incidents(connection: Connection, declared: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The newest incident of each Dag that hits it and is not over, and how many are."""
    columns = INCIDENT.c
    member = func.jsonb_path_query(columns.affected, cast("$[*]", JSONPATH), type_=JSONB)
    kept = [columns.id, columns.state, columns.fault_class, columns.domain, columns.opened_at]
    is_over = and_(columns.answer.is_not(None), columns.answer.in_(ACCEPTED))
    hits = select(*kept, member.label("member")).where(columns.state != "resolved", ~is_over).subquery()
    dag_id = hits.c.member["dag_id"].astext.label("dag_id")
    each = (
        select(*(hits.c[column.name] for column in kept), dag_id)
        .where(hits.c.member["succeeded_at"].astext.is_(None))
        .distinct()
        .subquery()
    )
    query = (
        select(each, func.count().over(partition_by=each.c.dag_id).label("count"))
        .where(each.c.dag_id.not_in(declared))
        .distinct(each.c.dag_id)
        .order_by(each.c.dag_id, each.c.opened_at.desc())
    )
    return {row["dag_id"]: dict(row) for row in connection.execute(query).mappings()}
