"""Workflows that make and change tables, contracts as they were carried out, and migrations that are rolled back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "contract_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False, comment="Airflow connection id of the database"),
        sa.Column("version", sa.Text(), nullable=False, comment="as the contract says"),
        sa.Column("file", sa.Text(), nullable=False, comment="name of the contract's file in its domain"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the document as canonical JSON"),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_version")),
        sa.UniqueConstraint(
            "contract_id", "target", "digest", name=op.f("uq_contract_version_contract_id_target_digest")
        ),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_contract_version_domain_target_recorded_at"),
        "contract_version",
        ["domain", "target", "recorded_at"],
        schema="groundwork",
    )
    op.create_table(
        "table_workflow",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow's Dag id and run id with a slash between"),
        sa.Column("kind", sa.Text(), nullable=False, comment="new_table or change_column"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False, comment="schema.table"),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            server_default=sa.text("'running'"),
            nullable=False,
            comment="running, success or failed",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_table_workflow")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_table_workflow_domain_table_name_started_at"),
        "table_workflow",
        ["domain", "table_name", "started_at"],
        schema="groundwork",
    )
    op.create_table(
        "table_workflow_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False, comment="what was found, for people"),
        sa.Column(
            "reasons", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False, comment="list of text"
        ),
        sa.Column(
            "found",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="the same as data",
        ),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["groundwork.table_workflow.run_id"], name=op.f("fk_table_workflow_step_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_table_workflow_step")),
        sa.UniqueConstraint("run_id", "step", name=op.f("uq_table_workflow_step_run_id_step")),
        schema="groundwork",
    )
    op.alter_column(
        "decision",
        "kind",
        comment="index_design, partition_design, strategy_rule, table_design or change_approval",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="index_design, partition_design or strategy_rule",
        schema="groundwork",
    )
    op.alter_column(
        "decision",
        "decided_by",
        comment="rules, model:<name> or person:<name>",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="rules, or model:<name>",
        schema="groundwork",
    )
    op.alter_column(
        "migration",
        "state",
        comment="running, applied, failed, rolling back or rolled back",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_server_default=sa.text("'running'"),
        existing_comment="running, applied or failed",
        schema="groundwork",
    )
    op.alter_column(
        "migration_statement",
        "state",
        comment="running, done, failed, rolled back or undone",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="running, done, failed or rolled back",
        schema="groundwork",
    )
