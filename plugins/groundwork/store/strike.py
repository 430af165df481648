"""Strikes: one row per failed try of a task, with its class, what was done about it, and how it ended.

Grain: one row per (Dag, run, task, map index, try), however often it is reported. The policy in the task's process
knows the exception; a listener in the scheduler may report the same try as a lost worker: the better knowledge wins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    and_,
    distinct,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.fault import WORKER_LOST, Strike, StrikeAction, TaskTry
from groundwork.store.base import METADATA, identity, moment

STRIKE = Table(
    "strike",
    METADATA,
    identity(),
    Column("dag_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("map_index", Integer, nullable=False, comment="-1 when the task is not mapped"),
    Column("try_number", Integer, nullable=False),
    Column("domain", Text, nullable=False),
    Column("fault_class", Text, nullable=False, comment="name of the error pattern"),
    Column("sqlstate", Text),
    Column("exception", Text, nullable=False, comment="qualified class that gave the signal"),
    Column("message", Text, nullable=False, comment="without secrets and row values"),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … since a person last answered"),
    Column("action", Text, nullable=False, comment="retry, ask_and_retry or ask_person"),
    Column("reason", Text, nullable=False),
    Column("delay_seconds", Float, comment="waiting before the retry"),
    Column("remedies", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("outcome", Text, nullable=False, comment="pending, failed_again, healed or escalated"),
    Column("circumstances", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="where it failed"),
    moment("struck_at"),
    UniqueConstraint("dag_id", "run_id", "task_id", "map_index", "try_number"),
    Index(None, "struck_at"),
    Index(None, "dag_id", "task_id", "fault_class", "struck_at"),
)
_MOST_OF_INCIDENT = 500  # strikes that are shown of one incident
_KEY = ("dag_id", "run_id", "task_id", "map_index", "try_number")


class Strikes:
    """Repository of strikes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, strike: Strike) -> bool:
        """Keep a strike; true when this try was not known before. Earlier pending strikes of the task failed again."""
        values = _values(strike)
        statement = insert(STRIKE).values(**values)
        better = statement.on_conflict_do_update(
            index_elements=list(_KEY),
            set_={name: statement.excluded[name] for name in values if name not in _KEY},
            where=and_(STRIKE.c.fault_class == WORKER_LOST, statement.excluded.fault_class != WORKER_LOST),
        ).returning(text("(xmax = 0) AS is_new"))
        earlier = (
            STRIKE.update()
            .where(_same_task(strike.task_try), STRIKE.c.outcome == "pending")
            .where(STRIKE.c.try_number < strike.task_try.try_number)
        )
        with self._engine.begin() as connection:
            connection.execute(earlier.values(outcome="failed_again"))
            return bool(connection.execute(better).scalar())

    def is_known(self, task_try: TaskTry) -> bool:
        """Whether this very try has a strike."""
        query = select(STRIKE.c.id).where(_same_task(task_try), STRIKE.c.try_number == task_try.try_number)
        return bool(self._rows(query))

    def healed(self, task_try: TaskTry) -> int:
        """Mark the pending strikes of a task instance that succeeded; how many there were."""
        changed = STRIKE.update().where(_same_task(task_try), STRIKE.c.outcome == "pending")
        with self._engine.begin() as connection:
            return connection.execute(changed.values(outcome="healed")).rowcount

    def of(self, task_try: TaskTry, *, since: datetime | None = None) -> list[Mapping[str, Any]]:
        """Strikes of a task instance that still count, this try left out, oldest first; columns of `strike`.

        What healed does not count, nor what lies before `since`.
        """
        query = select(STRIKE).where(_same_task(task_try), STRIKE.c.try_number != task_try.try_number)
        query = query.where(STRIKE.c.outcome != "healed")
        if since is not None:
            query = query.where(STRIKE.c.struck_at > since)
        return self._rows(query.order_by(STRIKE.c.try_number))

    def other_runs_at(self, task_try: TaskTry, fault_class: str) -> tuple[datetime, ...]:
        """For each other run in which this class struck this task, the time of its last strike; newest 100 first."""
        last = func.max(STRIKE.c.struck_at)
        query = (
            select(last.label("struck_at"))
            .where(STRIKE.c.dag_id == task_try.dag_id, STRIKE.c.task_id == task_try.task_id)
            .where(STRIKE.c.fault_class == fault_class, STRIKE.c.run_id != task_try.run_id)
            .group_by(STRIKE.c.run_id)
            .order_by(last.desc())
            .limit(100)
        )
        return tuple(row["struck_at"] for row in self._rows(query))

    def struck_by(self, target: str, since: datetime) -> tuple[int, int]:
        """How many task instances, of how many Dags, a target struck since then that have not healed."""
        instance = tuple_(STRIKE.c.dag_id, STRIKE.c.run_id, STRIKE.c.task_id, STRIKE.c.map_index)
        counted = func.count(distinct(instance)).label("instances"), func.count(distinct(STRIKE.c.dag_id)).label("dags")
        query = select(*counted).where(
            STRIKE.c.circumstances["target"].astext == target,
            STRIKE.c.outcome.in_(["pending", "escalated"]),
            STRIKE.c.struck_at >= since,
        )
        found = self._rows(query)[0]
        return int(found["instances"]), int(found["dags"])

    def of_incident(self, incident: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Strikes of the task instances of an incident (a row of `incident`), oldest first; columns of `strike`.

        Of many the newest.
        """
        addresses = [
            (each["dag_id"], each["run_id"], each["task_id"], each["map_index"]) for each in incident["affected"]
        ]
        instance = tuple_(STRIKE.c.dag_id, STRIKE.c.run_id, STRIKE.c.task_id, STRIKE.c.map_index)
        newest = select(STRIKE).where(instance.in_(addresses)).order_by(STRIKE.c.id.desc()).limit(_MOST_OF_INCIDENT)
        return sorted(self._rows(newest), key=lambda row: (row["struck_at"], row["id"]))

    def dags_of(self, strike_ids: Collection[int]) -> dict[int, str]:
        """The Dag of each of these strikes, by the strike's id."""
        query = select(STRIKE.c.id, STRIKE.c.dag_id).where(STRIKE.c.id.in_(strike_ids))
        return {row["id"]: row["dag_id"] for row in self._rows(query)}

    def latest(self, limit: int = 50, domain: str | None = None) -> list[Mapping[str, Any]]:
        """The newest strikes first; columns of `strike`."""
        query = select(STRIKE).order_by(STRIKE.c.id.desc()).limit(limit)
        return self._rows(query if domain is None else query.where(STRIKE.c.domain == domain))

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _same_task(task_try: TaskTry) -> Any:
    return and_(
        STRIKE.c.dag_id == task_try.dag_id,
        STRIKE.c.run_id == task_try.run_id,
        STRIKE.c.task_id == task_try.task_id,
        STRIKE.c.map_index == task_try.map_index,
    )


def _values(strike: Strike) -> dict[str, Any]:
    whole = strike.to_json()
    return {
        **whole["task_try"],
        **whole["fault"],
        "domain": strike.impact.domain,
        "number": strike.number,
        "action": strike.action,
        "reason": strike.reason,
        "delay_seconds": strike.delay_seconds,
        "remedies": whole["remedies"],
        "circumstances": {name: value for name, value in whole["circumstances"].items() if value not in (None, False)},
        "outcome": "escalated" if strike.action is StrikeAction.ASK_PERSON else "pending",
        "struck_at": strike.at,
    }
