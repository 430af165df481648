"""The table of incidents, and the shapes of what its JSON columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.model.fault import TaskTry
from groundwork.store.base import METADATA, moment

_ADDRESS = ("dag_id", "task_id", "run_id", "map_index")
INCIDENT = Table(
    "incident",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("cause", Text, nullable=False, comment="target:<class>:<connection>, task:<class>:<Dag>/<task>, …"),
    Column("domain", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what failed, for people"),
    Column("dag_id", Text, comment="of the failure that opened it; null when no task failed"),
    Column("task_id", Text, comment="of the failure that opened it"),
    Column("target", Text, comment="Airflow connection that the cause is about"),
    Column("fault_class", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, answered or resolved"),
    Column("severity", Text, nullable=False, comment="low, medium, high or critical"),
    Column("report", JSONB, nullable=False, comment="the fields of requirement O5"),
    Column("assessment", JSONB, nullable=False, comment="reasons of the severity, assets, consumers, promises, owners"),
    Column("evidence", JSONB, nullable=False, comment="list of {title, content, …}, masked"),
    Column("affected", JSONB, nullable=False, comment="list of {dag_id, task_id, run_id, map_index, succeeded_at?}"),
    Column("timeline", JSONB, nullable=False, comment="list of {at, what, by}, oldest first"),
    Column("level", Integer, nullable=False, server_default=text("0"), comment="escalated on so many times"),
    Column("answer", Text, comment="what a person decided; names of groundwork.model.fault.Answer"),
    Column("answer_details", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="remedy, hours"),
    Column("answered_by", Text),
    Column("progress", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="of the answer, by step"),
    Column("acknowledged_by", Text),
    Column("silenced_strikes", Integer, nullable=False, server_default=text("0"), comment="counted while silenced"),
    Column("review", JSONB, comment="what_happened, cause, changed"),
    Column("reviewed_by", Text),
    Column("reopenings", Integer, nullable=False, server_default=text("0"), comment="so many times"),
    moment("opened_at"),
    moment("acknowledged_at", nullable=True),
    moment("answered_at", nullable=True),
    moment("silenced_until", nullable=True),
    moment("resolved_at", nullable=True),
    moment("settled_at", nullable=True, comment="when the run that asked a person had ended"),
    moment("reviewed_at", nullable=True),
    moment("reopened_at", nullable=True, comment="the last time"),
    Index("uq_incident_one_open", "cause", unique=True, postgresql_where=text("state = 'open'")),
    Index(None, "cause"),
    Index(None, "opened_at"),
    Index(None, "affected", postgresql_using="gin", postgresql_ops={"affected": "jsonb_path_ops"}),
)


def entry(at: datetime, what: str, by: str) -> dict[str, str]:
    """One line of a timeline."""
    return {"at": at.isoformat(), "what": what, "by": by}


def address(target: TaskTry | Mapping[str, Any]) -> dict[str, Any]:
    """A task instance as `affected` holds it."""
    read = target.get if isinstance(target, Mapping) else lambda name: getattr(target, name)
    return {name: read(name) for name in _ADDRESS}


def affects(target: TaskTry) -> Any:
    """The condition that a task instance is part of an incident."""
    return INCIDENT.c.affected.contains([address(target)])
