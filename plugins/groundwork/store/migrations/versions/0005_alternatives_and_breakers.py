"""Alternatives of task instances, circuit breakers, and datasets that are stale."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    _create_alternative()
    _create_breaker()
    _create_stale_dataset()


def _create_alternative() -> None:
    op.create_table(
        "alternative",
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False, comment="-1 when the task is not mapped"),
        sa.Column("kind", sa.Text(), nullable=False, comment="replica, fallback, cached_response or statement"),
        sa.Column("names", sa.Text(), nullable=False, comment="the first choice: connection id, address or digest"),
        sa.Column("instead", sa.Text(), nullable=False, comment="what stands in for it"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since_try", sa.Integer(), nullable=False, comment="the try that failed on the first choice"),
        sa.Column("ran_in_try", sa.Integer(), nullable=True, comment="the last try that ran on it"),
        sa.Column("chosen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "dag_id", "run_id", "task_id", "map_index", "kind", "names", name=op.f("pk_alternative")
        ),
        schema="groundwork",
    )


def _create_breaker() -> None:
    op.create_table(
        "breaker",
        sa.Column("target", sa.Text(), nullable=False, comment="connection:<id> or source:<scheme>://<host>"),
        sa.Column("state", sa.Text(), nullable=False, comment="closed, open or half_open"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in the window, since the last success"),
        sa.Column("window_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_failure_by",
            sa.Text(),
            nullable=True,
            comment="the try that failed last: counted once however often it is told",
        ),
        sa.Column(
            "times_opened",
            sa.Integer(),
            nullable=False,
            comment="since it was closed last; the cool-down grows with it",
        ),
        sa.Column("cool_down_seconds", sa.Float(), nullable=False, comment="the last one"),
        sa.Column("probe_seconds", sa.Float(), nullable=False, comment="how long a probe may take"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True, comment="when a probe may go"),
        sa.Column("is_held", sa.Boolean(), nullable=False, comment="a person opened it, and it waits for a person"),
        sa.Column("probe_by", sa.Text(), nullable=True),
        sa.Column("probe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is as it is, without secrets"),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_breaker")),
        schema="groundwork",
    )


def _create_stale_dataset() -> None:
    op.create_table(
        "stale_dataset",
        sa.Column("dataset", sa.Text(), nullable=False, comment="schema.table, or the name of a dbt model"),
        sa.Column("because_of", sa.Text(), nullable=False, comment="schema.table that was loaded from a kept answer"),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True, comment="the time that the data is of"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "because_of", name=op.f("pk_stale_dataset")),
        schema="groundwork",
    )
