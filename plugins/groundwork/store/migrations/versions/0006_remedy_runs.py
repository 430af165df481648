"""Runs of remedies: leases and what they changed; which database stands behind a connection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    _create_runs()
    op.create_table(
        "target_identity",
        sa.Column("target", sa.Text(), nullable=False, comment="Airflow connection id"),
        sa.Column("database", sa.Text(), nullable=False),
        sa.Column("database_oid", sa.BigInteger(), nullable=False),
        sa.Column(
            "system_identifier", sa.Text(), nullable=True, comment="of the cluster; null where the role may not read it"
        ),
        sa.Column("trusted_by", sa.Text(), nullable=False, comment="orbt at the first use, else who said so"),
        sa.Column("trusted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_target_identity")),
        schema="groundwork",
    )


def _create_runs() -> None:
    op.create_table(
        "remedy_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("token", sa.Text(), nullable=False, comment="its sessions' application names end with it"),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False, comment="Airflow connection id"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, done, refused, failed, undone or abandoned"),
        sa.Column("holder", sa.Text(), nullable=False, comment="process that runs or undoes it"),
        sa.Column("asked_by", sa.Text(), nullable=False, comment="orbt, or the person who asked for it"),
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False, comment="-1 when the task is not mapped"),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("scene", postgresql.JSONB(), nullable=False, comment="fault and circumstances, for undoing"),
        sa.Column(
            "changes",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
            comment="told before each was made",
        ),
        sa.Column("result", postgresql.JSONB(), nullable=True, comment="what the run told at its end"),
        sa.Column(
            "report",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="without secrets and row values",
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="times that undoing was begun",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="from then on its process counts as dead",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remedy_run")),
        sa.UniqueConstraint("token", name=op.f("uq_remedy_run_token")),
        schema="groundwork",
    )
    op.create_index(
        "uq_remedy_run_one_live",
        "remedy_run",
        ["remedy", "target"],
        unique=True,
        schema="groundwork",
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(op.f("ix_remedy_run_started_at"), "remedy_run", ["started_at"], schema="groundwork")
    op.create_index(
        op.f("ix_remedy_run_dag_id_run_id_task_id"),
        "remedy_run",
        ["dag_id", "run_id", "task_id"],
        schema="groundwork",
    )
