"""Release gates: what each measured, how a run was decided, and who overrode a gate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "release",
        sa.Column(
            "run_id", sa.Text(), nullable=False, comment="Airflow's Dag id and run id with a slash between, or cli/…"
        ),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            server_default=sa.text("'measuring'"),
            nullable=False,
            comment="measuring, passed or blocked",
        ),
        sa.Column("why", sa.Text(), nullable=True, comment="the decision in words"),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_release")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_release_domain_started_at"), "release", ["domain", "started_at"], schema="groundwork")
    op.create_table(
        "release_gate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("how_measured", sa.Text(), nullable=False),
        sa.Column("likely_cause", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False, comment="how long measuring took"),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["groundwork.release.run_id"], name=op.f("fk_release_gate_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_gate")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_release_gate_run_id_gate"), "release_gate", ["run_id", "gate"], schema="groundwork")
    op.create_table(
        "gate_override",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False, comment="who answers for it"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="who or what recorded it"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_override")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_gate_override_domain_gate_expires_at"),
        "gate_override",
        ["domain", "gate", "expires_at"],
        schema="groundwork",
    )
