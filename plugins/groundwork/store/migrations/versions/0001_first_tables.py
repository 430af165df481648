"""The first tables of the store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from groundwork.store.audit import protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table and protect the audit trail."""
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text(), nullable=False, comment="public part of the token"),
        sa.Column("name", sa.Text(), nullable=False, comment="what or whom the key is for"),
        sa.Column("role", sa.Text(), nullable=False, comment="contract role that requests act as"),
        sa.Column("secret_hash", sa.Text(), nullable=False, comment="SHA-256 of the token, hexadecimal"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="to the minute"),
        sa.Column("replaces", sa.Text(), nullable=True, comment="key id that this key was rotated from"),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_key")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_api_key_role_name"), "api_key", ["role", "name"], unique=False, schema="groundwork")
    op.create_table(
        "audit_event",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3, … without a gap"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="Dag and task, API key id, or command-line user"),
        sa.Column("action", sa.Text(), nullable=False, comment="verb in the past: migration_applied, grant_changed, …"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was done to, e.g. warehouse:market.orders"),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.Column("section", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="no personal data value"),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_event_hash")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_audit_event_occurred_at"), "audit_event", ["occurred_at"], unique=False, schema="groundwork"
    )
    op.create_table(
        "check_result",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow run id"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False, comment="before_load, after_load, after_transform or scheduled"),
        sa.Column("schema_name", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False, comment="unique within a domain, the same from run to run"),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False, comment="great_expectations, sql or dbt"),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=False),
        sa.Column(
            "failing_count", sa.BigInteger(), nullable=True, comment="rows; null when the check is on the whole table"
        ),
        sa.Column("row_count", sa.BigInteger(), nullable=True, comment="rows of the table at the time"),
        sa.Column(
            "sample", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="a few failing rows, masked"
        ),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_result")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_check_result_domain_table_name_check_id_checked_at"),
        "check_result",
        ["domain", "table_name", "check_id", "checked_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_check_result_run_id_stage"), "check_result", ["run_id", "stage"], unique=False, schema="groundwork"
    )
    op.create_table(
        "classification_override",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False, comment="schema.table"),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("name_pattern", sa.Text(), nullable=False, comment="counts for every column of a like name"),
        sa.Column("personal_data", sa.Text(), nullable=True, comment="null: it holds none"),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classification_override")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_classification_override_name_pattern"),
        "classification_override",
        ["name_pattern"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "column_classification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow run id"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False, comment="schema.table"),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("declared_classification", sa.Text(), nullable=True, comment="null: the contract declares none"),
        sa.Column("declared_personal_data", sa.Text(), nullable=True, comment="null: declared to hold none"),
        sa.Column("detected_classification", sa.Text(), nullable=False, comment="the least that the evidence demands"),
        sa.Column("detected_personal_data", sa.Text(), nullable=True, comment="null: none detected"),
        sa.Column("confidence", sa.Float(), nullable=False, comment="0..1"),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="rules with shares of sampled values; never a value",
        ),
        sa.Column("sampled", sa.Integer(), nullable=False, comment="distinct values looked at"),
        sa.Column("is_agreed", sa.Boolean(), nullable=False),
        sa.Column("difference", sa.Text(), nullable=True, comment="null when contract and detection agree"),
        sa.Column(
            "overridden_by", sa.Text(), nullable=True, comment="person whose decision stands in place of the rules"
        ),
        sa.Column("classified_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_classification")),
        sa.UniqueConstraint(
            "run_id",
            "domain",
            "table_name",
            "column_name",
            name=op.f("uq_column_classification_run_id_domain_table_name_column_name"),
        ),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_column_classification_domain_classified_at"),
        "column_classification",
        ["domain", "classified_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="index_design, partition_design or strategy_rule"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about, e.g. market.orders"),
        sa.Column("specialist", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="schema, statistics and plans; no data value",
        ),
        sa.Column("choice", sa.Text(), nullable=False, comment="name of one of the options"),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False, comment="0 to 1"),
        sa.Column("decided_by", sa.Text(), nullable=False, comment="rules, or model:<name>"),
        sa.Column(
            "verdicts",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="list of {guardrail, passed, reason}",
        ),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_decision_decided_at"), "decision", ["decided_at"], unique=False, schema="groundwork")
    op.create_index(
        op.f("ix_decision_kind_subject_decided_at"),
        "decision",
        ["kind", "subject", "decided_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "foundation_run",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow run id"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "state",
            sa.Text(),
            server_default=sa.text("'running'"),
            nullable=False,
            comment="running, success or failed",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_foundation_run")),
        schema="groundwork",
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("fault_class", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="open, answered or resolved"),
        sa.Column(
            "report", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="the fields of requirement O5"
        ),
        sa.Column(
            "affected", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="list of {run_id, map_index}"
        ),
        sa.Column(
            "timeline",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="list of {at, what, by}, oldest first",
        ),
        sa.Column("answer", sa.Text(), nullable=True, comment="retry, mark_resolved or ignore"),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_incident_opened_at"), "incident", ["opened_at"], unique=False, schema="groundwork")
    op.create_index(
        "uq_incident_one_open",
        "incident",
        ["dag_id", "task_id", "fault_class"],
        unique=True,
        schema="groundwork",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "migration",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "plan",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="stages, refusals and what is left alone, as they were planned",
        ),
        sa.Column(
            "state",
            sa.Text(),
            server_default=sa.text("'running'"),
            nullable=False,
            comment="running, applied or failed",
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migration")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_migration_domain_started_at"), "migration", ["domain", "started_at"], unique=False, schema="groundwork"
    )
    op.create_table(
        "policy_verdict",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow run id"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False, comment="task that judged"),
        sa.Column("policy", sa.Text(), nullable=False, comment="classification, masking, access or retention"),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what was judged, e.g. market.orders.quantity"),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False, comment="what a failure does: block or warn"),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_verdict")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_policy_verdict_domain_judged_at"),
        "policy_verdict",
        ["domain", "judged_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_policy_verdict_run_id_step"), "policy_verdict", ["run_id", "step"], unique=False, schema="groundwork"
    )
    op.create_table(
        "quality_score",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Airflow run id"),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("schema_name", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column(
            "completeness_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"
        ),
        sa.Column("validity_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"),
        sa.Column("uniqueness_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"),
        sa.Column("consistency_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"),
        sa.Column("timeliness_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"),
        sa.Column("accuracy_pct", sa.Numeric(precision=6, scale=3), nullable=True, comment="null when not measured"),
        sa.Column(
            "overall_pct",
            sa.Numeric(precision=6, scale=3),
            nullable=True,
            comment="mean of the measured dimensions; null when none was",
        ),
        sa.Column("check_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_score")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_quality_score_domain_schema_name_table_name_scored_at"),
        "quality_score",
        ["domain", "schema_name", "table_name", "scored_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "report",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="daily"),
        sa.Column("report_date", sa.Date(), nullable=False),
        sa.Column("markdown", sa.Text(), nullable=False),
        sa.Column(
            "fields",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the report as data, by the names of the daily report",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("domain", "kind", "report_date", name=op.f("uq_report_domain_kind_report_date")),
        schema="groundwork",
    )
    op.create_table(
        "strike",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False, comment="-1 when the task is not mapped"),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("fault_class", sa.Text(), nullable=False, comment="name of the error pattern"),
        sa.Column("sqlstate", sa.Text(), nullable=True),
        sa.Column("exception", sa.Text(), nullable=False, comment="qualified class that gave the signal"),
        sa.Column("message", sa.Text(), nullable=False, comment="without secrets and row values"),
        sa.Column("number", sa.Integer(), nullable=False, comment="1, 2, 3 … since a person last answered"),
        sa.Column("action", sa.Text(), nullable=False, comment="retry or ask_person"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("delay_seconds", sa.Float(), nullable=True, comment="waiting before the retry"),
        sa.Column(
            "remedies", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("outcome", sa.Text(), nullable=False, comment="pending, failed_again, healed or escalated"),
        sa.Column("struck_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strike")),
        sa.UniqueConstraint(
            "dag_id",
            "run_id",
            "task_id",
            "map_index",
            "try_number",
            name=op.f("uq_strike_dag_id_run_id_task_id_map_index_try_number"),
        ),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_strike_dag_id_task_id_fault_class_struck_at"),
        "strike",
        ["dag_id", "task_id", "fault_class", "struck_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_index(op.f("ix_strike_struck_at"), "strike", ["struck_at"], unique=False, schema="groundwork")
    op.create_table(
        "api_usage",
        sa.Column("usage_date", sa.Date(), nullable=False, comment="UTC"),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="domain/table"),
        sa.Column("read_count", sa.BigInteger(), nullable=False, comment="requests"),
        sa.Column("row_count", sa.BigInteger(), nullable=False, comment="rows returned"),
        sa.ForeignKeyConstraint(["key_id"], ["groundwork.api_key.key_id"], name=op.f("fk_api_usage_key_id")),
        sa.PrimaryKeyConstraint("usage_date", "key_id", "subject", name=op.f("pk_api_usage")),
        schema="groundwork",
    )
    op.create_table(
        "criterion_result",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("criterion", sa.Text(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("how_measured", sa.Text(), nullable=False),
        sa.Column("likely_cause", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["groundwork.foundation_run.run_id"], name=op.f("fk_criterion_result_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_criterion_result")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_criterion_result_domain_phase_criterion_checked_at"),
        "criterion_result",
        ["domain", "phase", "criterion", "checked_at"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "migration_statement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False, comment="what the stage does"),
        sa.Column("position", sa.Integer(), nullable=False, comment="1, 2, 3, … within the stage"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="1 for the first try of the stage"),
        sa.Column("is_transactional", sa.Boolean(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="running, done, failed or rolled back"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["groundwork.migration.id"], name=op.f("fk_migration_statement_migration_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migration_statement")),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_migration_statement_migration_id"),
        "migration_statement",
        ["migration_id"],
        unique=False,
        schema="groundwork",
    )
    op.create_table(
        "phase_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="running, success or failed"),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["groundwork.foundation_run.run_id"], name=op.f("fk_phase_run_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phase_run")),
        sa.UniqueConstraint("run_id", "phase", name=op.f("uq_phase_run_run_id_phase")),
        schema="groundwork",
    )
    protect(op.get_bind())
