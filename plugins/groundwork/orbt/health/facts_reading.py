"""Reads what states follow from: strikes, incidents, builds and migrations from the store, loads and streams from the
books of the warehouse.

A fixed number of queries per domain, however many tables it has. What is under way for longer than a week, or a strike
that waits for longer than a day, was left behind by something that died: it counts no more.
"""

# groundwork: allow-file own_session,raw_sql reads what the store and the books say of tables, not their rows

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from groundwork.contracts.contract import Domain
from groundwork.flow.capture import ledger as streams
from groundwork.flow.ledger import LOAD
from groundwork.model.fault import Answer
from groundwork.store.foundation import FOUNDATION_RUN
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migration import MIGRATION
from groundwork.store.strike import STRIKE
from groundwork.store.table_workflow import TABLE_WORKFLOW

_log = logging.getLogger(__name__)
STRIKE_WAITS = timedelta(days=1)
_UNDER_WAY = timedelta(days=7)
_MANY = 1000  # rows of one kind that are looked at
ACCEPTED = {str(each) for each in (Answer.SKIP, Answer.MARK_RESOLVED, Answer.IGNORE)}
_AWAY = "the warehouse does not answer"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that fails: at which Dag, and at which table when that is known; `is_ours` when it names the domain."""

    dag_id: str | None
    table: str | None
    told: str
    at: datetime
    is_ours: bool = True
    is_incident: bool = False


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """What the store says of a domain; `building` and `changed_at` are by `schema.table`."""

    troubles: Sequence[Trouble]
    foundation: Mapping[str, Any] | None
    building: Mapping[str, tuple[str, datetime]]
    changed_at: Mapping[str, datetime]


@dataclass(frozen=True, kw_only=True)
class BookFacts:
    """What the books of the warehouse say: newest loads by `schema.table`, newest first; rows of streams by name."""

    loads: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: str | None = None


def read_store(connection: Connection, domain: Domain, now: datetime) -> StoreFacts:
    """What the store says of a domain as of `now`."""
    foundation = connection.execute(
        select(FOUNDATION_RUN)
        .where(FOUNDATION_RUN.c.domain == domain.name, FOUNDATION_RUN.c.is_dry_run.is_(False))
        .where((FOUNDATION_RUN.c.state != "running") | (FOUNDATION_RUN.c.started_at > now - _UNDER_WAY))
        .order_by(FOUNDATION_RUN.c.started_at.desc())
        .limit(1)
    ).mappings()
    newest = next(iter(foundation), None)
    building: dict[str, tuple[str, datetime]] = {}
    changed_at: dict[str, datetime] = {}
    if newest is not None and newest["state"] == "running":
        told = ("a foundation run is under way", newest["started_at"])
        building.update({table.qualified_name: told for table in domain.tables})
    _workflows(connection, domain, now, building, changed_at)
    _migrations(connection, domain, now, building, changed_at)
    troubles = [*_strikes(connection, domain, now), *_incidents(connection, domain)]
    return StoreFacts(
        troubles=sorted(troubles, key=lambda each: each.at),
        foundation=None if newest is None else dict(newest),
        building=building,
        changed_at=changed_at,
    )


def told_strike(row: Mapping[str, Any]) -> str:
    """A strike (a row of `strike`) that waits for its retry, for people."""
    return f"strike {row['number']} ({row['fault_class']}) in `{row['task_id']}` waits for its retry"


def told_incident(row: Mapping[str, Any]) -> str:
    """An incident (a row of `incident`) that is not over, for people."""
    return f"an incident is {row['state']}: {row['fault_class']}"


def _strikes(connection: Connection, domain: Domain, now: datetime) -> Iterator[Trouble]:
    query = (
        select(STRIKE)
        .where(STRIKE.c.domain == domain.name, STRIKE.c.outcome == "pending")
        .where(STRIKE.c.struck_at > now - STRIKE_WAITS)
        .order_by(STRIKE.c.id.desc())
        .limit(_MANY)
    )
    for row in connection.execute(query).mappings():
        table = row["circumstances"].get("table")
        yield Trouble(dag_id=row["dag_id"], table=table, told=told_strike(dict(row)), at=row["struck_at"])


def _incidents(connection: Connection, domain: Domain) -> Iterator[Trouble]:
    """One per Dag that an unresolved incident hits and that has not succeeded since, whichever domain opened it."""
    query = select(INCIDENT).where(INCIDENT.c.state != "resolved").order_by(INCIDENT.c.opened_at.desc()).limit(_MANY)
    for row in connection.execute(query).mappings():
        if row["answer"] in ACCEPTED:
            continue
        told = told_incident(dict(row))
        is_ours = row["domain"] == domain.name
        if row["dag_id"] is None and is_ours:
            yield Trouble(dag_id=None, table=row["subject"], told=told, at=row["opened_at"], is_incident=True)
        for dag_id in sorted({str(each["dag_id"]) for each in row["affected"] if not each.get("succeeded_at")}):
            yield Trouble(dag_id=dag_id, table=None, told=told, at=row["opened_at"], is_ours=is_ours, is_incident=True)


def _workflows(
    connection: Connection,
    domain: Domain,
    now: datetime,
    building: dict[str, tuple[str, datetime]],
    changed_at: dict[str, datetime],
) -> None:
    table = TABLE_WORKFLOW.c
    running = select(TABLE_WORKFLOW).where(
        table.domain == domain.name, table.state == "running", table.started_at > now - _UNDER_WAY
    )
    for row in connection.execute(running).mappings():
        words = {"new_table": "it is being made", "change_column": "a column of it is being changed"}
        building[row["table_name"]] = (words.get(row["kind"], "it is being changed"), row["started_at"])
    done = (
        select(table.table_name, func.max(table.finished_at).label("changed_at"))
        .where(table.domain == domain.name, table.state == "success", table.finished_at.is_not(None))
        .group_by(table.table_name)
    )
    changed_at.update({row.table_name: row.changed_at for row in connection.execute(done)})


def _migrations(
    connection: Connection,
    domain: Domain,
    now: datetime,
    building: dict[str, tuple[str, datetime]],
    changed_at: dict[str, datetime],
) -> None:
    """Only tables that a plan names are changed by it; of a plan no more is read than their names."""
    changes: ColumnElement[Any] = literal_column("'$.stages[*].changes[*]'::jsonpath")
    named = func.jsonb_path_query_array(MIGRATION.c.plan, changes).label("changes")
    query = (
        select(MIGRATION.c.state, MIGRATION.c.started_at, MIGRATION.c.finished_at, named)
        .where(MIGRATION.c.domain == domain.name)
        .order_by(MIGRATION.c.id.desc())
        .limit(_MANY // 10)
    )
    for row in connection.execute(query):
        tables = {f"{each.get('schema')}.{each.get('table')}" for each in row.changes}
        for name in tables:
            if row.finished_at is not None:
                changed_at[name] = max(row.finished_at, changed_at.get(name, row.finished_at))
            elif row.started_at > now - _UNDER_WAY:
                building.setdefault(name, ("a migration of it is under way", row.started_at))


def read_books(warehouse: Engine | None, domain: Domain, loads: int) -> BookFacts:
    """What the books say, the newest `loads` of each table and state; a problem when the warehouse does not answer."""
    if warehouse is None:
        return BookFacts(problem=_AWAY)
    try:
        with warehouse.connect() as connection:
            rows = {str(row["stream"]): row for row in streams.all_streams(connection)}
            return BookFacts(loads=_newest_loads(connection, domain, loads), streams=rows)
    except (SQLAlchemyError, OSError) as error:
        _log.warning("states are judged without the warehouse: %s", type(error).__name__)
        return BookFacts(problem=_AWAY)


def _newest_loads(connection: Connection, domain: Domain, limit: int) -> dict[str, list[Mapping[str, Any]]]:
    if connection.execute(select(func.to_regclass(LOAD.fullname))).scalar() is None:
        return {}
    # Per state, so that loads that were stopped do not push those that count out of sight.
    groups = [LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.state]
    place = func.row_number().over(partition_by=groups, order_by=LOAD.c.load_id.desc())
    kept = (LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.run_id, LOAD.c.state, LOAD.c.finished_at, LOAD.c.load_id)
    ranked = (
        select(*kept, place.label("place"))
        .where(LOAD.c.schema_name.in_({table.schema for table in domain.tables}))
        .where(LOAD.c.is_trial.is_(False), LOAD.c.state != "running")
        .subquery()
    )
    query = select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.load_id.desc())
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(f"{row['schema_name']}.{row['table_name']}", []).append(dict(row))
    return found
