"""Health of pipelines, and early warnings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    _measurement()
    _health_warning()


def _measurement() -> None:
    op.create_table(
        "measurement",
        sa.Column("subject", sa.Text(), nullable=False, comment="what is watched"),
        sa.Column("metric", sa.Text(), nullable=False, comment="its name bears the unit"),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column(
            "limit_value", sa.Float(), nullable=True, comment="what the value must not reach; null without a limit"
        ),
        sa.PrimaryKeyConstraint("subject", "metric", "measured_at", name=op.f("pk_measurement")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_measurement_measured_at"), "measurement", ["measured_at"], schema="groundwork")


def _health_warning() -> None:
    op.create_table(
        "health_warning",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="limit, trend or step"),
        sa.Column("told", sa.Text(), nullable=False, comment="for people"),
        sa.Column("details", postgresql.JSONB(), nullable=False, comment="value, limit, change per day, forecast"),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when people were told; null while they were not",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_warning")),
        schema="groundwork",
    )
    op.create_index(
        "uq_health_warning_one_open",
        "health_warning",
        ["subject", "metric", "kind"],
        unique=True,
        schema="groundwork",
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index(
        op.f("ix_health_warning_subject_first_seen_at"),
        "health_warning",
        ["subject", "first_seen_at"],
        schema="groundwork",
    )
