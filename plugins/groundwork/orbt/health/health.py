"""The health of all pipelines, read from store and warehouse: those that contracts declare, by domain, and the other
Dags that ORBT heals.

A fixed number of queries per domain and for all other Dags, however many there are.
"""

# groundwork: allow-file own_session reads what the store and the books say of runs, not rows of tables

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from groundwork.contracts.contract import Domain
from groundwork.flow.ledger import LOAD
from groundwork.model.health import Measurement, Situation
from groundwork.orbt.health.facts import facts_of
from groundwork.orbt.health.healed_dags import healed_dags
from groundwork.orbt.health.pipeline_health import Gathered, PipelineHealth, Tries, pipeline_health
from groundwork.orbt.health.score import TRIES_DAYS
from groundwork.orbt.health.states import judge
from groundwork.orbt.health.stream_hours import stream_hours
from groundwork.orbt.health.subjects import FOUNDATION_DAG, measured_as, struck_places, watched_pipelines
from groundwork.store.breaker import Breakers
from groundwork.store.foundation import FOUNDATION_RUN
from groundwork.store.health import HealthRecords
from groundwork.store.quality import QualityResults
from groundwork.store.strike import STRIKE

_log = logging.getLogger(__name__)
_POINTS = 60  # of each series that is shown
_SURROUNDINGS = ("database:", "disk:", "slot:")


@dataclass(frozen=True, kw_only=True)
class DomainHealth:
    """The pipelines of a domain, the foundation first, and the states of its datasets by `schema.table`."""

    domain: str
    pipelines: tuple[PipelineHealth, ...]
    datasets: Mapping[str, Situation]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Databases, disks and replication slots: their warnings and newest series by (subject, metric)."""

    warnings: tuple[Mapping[str, Any], ...]
    series: Mapping[tuple[str, str], Sequence[Measurement]]


@dataclass(frozen=True, kw_only=True)
class WholeHealth:
    """Everything that is watched: declared pipelines by domain, the other Dags that ORBT heals, and the breakers that
    are not closed (rows of `breaker`), also of connections that no contract names.
    """

    domains: tuple[DomainHealth, ...]
    others: tuple[PipelineHealth, ...]
    breakers: tuple[Mapping[str, Any], ...]

    @property
    def pipelines(self) -> tuple[PipelineHealth, ...]:
        """All of them, the declared ones first."""
        return (*(each for domain in self.domains for each in domain.pipelines), *self.others)


def whole_health(store: Engine, warehouse: Engine | None, domains: Sequence[Domain], now: datetime) -> WholeHealth:
    """The health of all domains and other Dags as of `now`; a null warehouse is one that did not answer.

    Raises: what the driver raises when the store does not answer.
    """
    return WholeHealth(
        domains=tuple(health_of(store, warehouse, domain, now) for domain in domains),
        others=_others(store, domains, now),
        breakers=tuple(Breakers(store).all(only_troubled=True)),
    )


def health_of(store: Engine, warehouse: Engine | None, domain: Domain, now: datetime) -> DomainHealth:
    """The health of a domain as of `now`; a null warehouse is one that was asked before and did not answer.

    Raises: what the driver raises when the store does not answer.
    """
    facts = facts_of(store, warehouse, domain, now)
    datasets = sorted(table.qualified_name for table in domain.tables)
    declared = watched_pipelines(domain)
    records, since = HealthRecords(store), now - timedelta(days=TRIES_DAYS)
    gathered = Gathered(
        facts=facts,
        series=records.recent([measured_as(each) for each in declared], limit=_POINTS),
        warnings=records.warnings(),
        tries=_tries(store, warehouse, domain, since),
        hours=stream_hours(store, warehouse, declared, since),
        breakers=_troubled(store),
        qualities={
            f"{row['schema_name']}.{row['table_name']}": float(row["overall_pct"])
            for row in QualityResults(store).latest_scores(domain.name)
            if row["overall_pct"] is not None
        },
        now=now,
    )
    return DomainHealth(
        domain=domain.name,
        pipelines=tuple(pipeline_health(each, gathered) for each in declared),
        datasets={name: judge(name, facts[name]) for name in datasets},
    )


def _others(store: Engine, domains: Sequence[Domain], now: datetime) -> tuple[PipelineHealth, ...]:
    dags = healed_dags(store, domains, now)
    records = HealthRecords(store)
    gathered = Gathered(
        facts={each.pipeline.name: each.facts for each in dags},
        series=records.recent([each.pipeline.name for each in dags], limit=_POINTS),
        warnings=records.warnings(),
        tries={
            "succeeded": Counter(),
            "failed": Counter({each.pipeline.name: each.strikes for each in dags}),
            "healed": Counter({each.pipeline.name: each.healed for each in dags}),
        },
        breakers=_troubled(store),
        now=now,
    )
    return tuple(pipeline_health(each.pipeline, gathered) for each in dags)


def _troubled(store: Engine) -> dict[str, str]:
    """Breakers that are not closed: target → state."""
    return {row["target"]: row["state"] for row in Breakers(store).all(only_troubled=True)}


def surroundings(store: Engine) -> Surroundings:
    """What pipelines of all domains stand on. Raises: what the driver raises when the store does not answer."""
    records = HealthRecords(store)
    subjects = sorted({subject for subject, _ in records.newest() if subject.startswith(_SURROUNDINGS)})
    return Surroundings(
        warnings=tuple(row for row in records.warnings() if row["subject"].startswith(_SURROUNDINGS)),
        series=records.recent(subjects, limit=_POINTS),
    )


def _tries(store: Engine, warehouse: Engine | None, domain: Domain, since: datetime) -> Tries:
    """Finished and stopped loads by `schema.table`, runs of the foundation and strikes by Dag, since then."""
    succeeded, failed = Counter[str](), Counter[str]()
    struck = (
        select(STRIKE.c.dag_id, STRIKE.c.circumstances["table"].astext.label("struck_table"), func.count())
        .where(STRIKE.c.domain == domain.name, STRIKE.c.struck_at >= since)
        .group_by(STRIKE.c.dag_id, "struck_table")
    )
    run = FOUNDATION_RUN.c
    built = (
        select(run.state, func.count())
        .where(run.domain == domain.name, run.is_dry_run.is_(False), run.started_at >= since, run.state != "running")
        .group_by(run.state)
    )
    with store.connect() as connection:
        for row in connection.execute(struck):
            for place in struck_places(row[0], row[1]):
                failed[place] += int(row[2])
        for row in connection.execute(built):
            (succeeded if row[0] == "success" else failed)[FOUNDATION_DAG] += int(row[1])
    if warehouse is None:
        return {"succeeded": succeeded, "failed": failed}
    try:
        for name, state, count in _loads(warehouse, domain, since):
            (succeeded if state == "finished" else failed)[name] += count
    except (SQLAlchemyError, OSError) as error:
        _log.warning("tries are counted without the warehouse: %s", type(error).__name__)
    return {"succeeded": succeeded, "failed": failed}


def _loads(warehouse: Engine, domain: Domain, since: datetime) -> list[tuple[str, str, int]]:
    with warehouse.connect() as connection:
        if connection.execute(select(func.to_regclass(LOAD.fullname))).scalar() is None:
            return []
        query = (
            select(LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.state, func.count().label("count"))
            .where(LOAD.c.schema_name.in_({table.schema for table in domain.tables}))
            .where(LOAD.c.is_trial.is_(False), LOAD.c.started_at >= since, LOAD.c.state != "running")
            .group_by(LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.state)
        )
        return [(f"{row[0]}.{row[1]}", row[2], row[3]) for row in connection.execute(query)]
