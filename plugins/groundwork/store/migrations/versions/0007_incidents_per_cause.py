"""Incidents are opened once per cause, and have a life.

Incidents that are there keep the cause they were opened for: one per Dag, task and fault class.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
_SCHEMA = "groundwork"
_EMPTY = sa.text("'{}'::jsonb")
_REQUIRED: dict[str, tuple[sa.types.TypeEngine[Any], str]] = {  # filled for rows that are there, then required
    "cause": (sa.Text(), "target:<class>:<connection>, task:<class>:<Dag>/<task>, …"),
    "subject": (sa.Text(), "what failed, for people"),
    "severity": (sa.Text(), "low, medium, high or critical"),
    "assessment": (postgresql.JSONB(), "reasons of the severity, assets, consumers, promises, owners"),
    "evidence": (postgresql.JSONB(), "list of {title, content, …}, masked"),
}
_FILL = """
    UPDATE groundwork.incident SET
      cause = 'task:' || fault_class || ':' || dag_id || '/' || task_id,
      subject = dag_id || ' / ' || task_id,
      severity = coalesce(report ->> 'urgency_level', 'medium'),
      assessment = jsonb_build_object('reasons', '[]'::jsonb, 'assets', '[]'::jsonb, 'consumers', '[]'::jsonb,
                                      'promises', '[]'::jsonb, 'owners', '[]'::jsonb,
                                      'opened_as', coalesce(report ->> 'urgency_level', 'medium')),
      evidence = '[]',
      affected = coalesce(
        (SELECT jsonb_agg(jsonb_build_object('dag_id', dag_id, 'task_id', task_id) || entry ORDER BY place)
         FROM jsonb_array_elements(affected) WITH ORDINALITY AS listed (entry, place)), '[]'),
      settled_at = CASE WHEN state <> 'open' THEN coalesce(resolved_at, answered_at, now()) END
"""


def upgrade() -> None:
    """Add the columns, fill them for the rows that are there, and key open incidents by cause."""
    for name, (kind, comment) in _REQUIRED.items():
        _add(name, kind, comment)
    _add("target", sa.Text(), "Airflow connection that the cause is about")
    _add("level", sa.Integer(), "escalated on so many times", server_default=sa.text("0"), nullable=False)
    _add("answer_details", postgresql.JSONB(), "remedy, hours", server_default=_EMPTY, nullable=False)
    _add("progress", postgresql.JSONB(), "of the answer, by step", server_default=_EMPTY, nullable=False)
    _add("acknowledged_by", sa.Text())
    _add("silenced_strikes", sa.Integer(), "counted while silenced", server_default=sa.text("0"), nullable=False)
    _add("review", postgresql.JSONB(), "what_happened, cause, changed")
    _add("reviewed_by", sa.Text())
    for name in ("acknowledged_at", "silenced_until", "reviewed_at"):
        _add(name, sa.DateTime(timezone=True))
    _add("settled_at", sa.DateTime(timezone=True), "when the run that asked a person had ended")
    op.execute(_FILL)
    for name in _REQUIRED:
        op.alter_column("incident", name, nullable=False, schema=_SCHEMA)
    comments = {
        "dag_id": "of the failure that opened it; null when no task failed",
        "task_id": "of the failure that opened it",
        "affected": "list of {dag_id, task_id, run_id, map_index, succeeded_at?}",
        "answer": "what a person decided; names of groundwork.model.fault.Answer",
    }
    for name, comment in comments.items():
        nullable = True if name in ("dag_id", "task_id") else None
        op.alter_column("incident", name, comment=comment, nullable=nullable, schema=_SCHEMA)
    op.drop_index("uq_incident_one_open", "incident", schema=_SCHEMA)
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_incident_one_open", "incident", ["cause"], unique=True, schema=_SCHEMA, postgresql_where=is_open
    )
    op.create_index("ix_incident_cause", "incident", ["cause"], schema=_SCHEMA)
    op.create_index(
        "ix_incident_affected",
        "incident",
        ["affected"],
        schema=_SCHEMA,
        postgresql_using="gin",
        postgresql_ops={"affected": "jsonb_path_ops"},
    )


def _add(
    name: str,
    kind: sa.types.TypeEngine[Any],
    comment: str | None = None,
    *,
    server_default: sa.TextClause | None = None,
    nullable: bool = True,
) -> None:
    column = sa.Column(name, kind, nullable=nullable, server_default=server_default, comment=comment)
    op.add_column("incident", column, schema=_SCHEMA)
