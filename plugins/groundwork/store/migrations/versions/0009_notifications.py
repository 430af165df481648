"""What was told to whom, which findings raised an alarm, and reports as HTML."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
_NOW = sa.text("now()")


def upgrade() -> None:
    """Create the two tables, add the column."""
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="incident id, or the name of what else is told"),
        sa.Column(
            "event",
            sa.Text(),
            nullable=False,
            comment="opened, escalated, answered, resolved, alarm, daily_report, …",
        ),
        sa.Column("level", sa.Integer(), nullable=False, comment="of escalation; 0 for the first people"),
        sa.Column("channel", sa.Text(), nullable=False, comment="name in the policy"),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, sending, sent, failed or given_up"),
        sa.Column(
            "message", postgresql.JSONB(), nullable=False, comment="what is told, without secrets and row values"
        ),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True, comment="what came back of the last try, without secrets"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=_NOW,
            nullable=False,
            comment="when the next try may begin; the end of the lease while it is sent",
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint(
            "subject", "event", "level", "channel", name=op.f("uq_notification_subject_event_level_channel")
        ),
        schema="groundwork",
    )
    op.create_index(
        op.f("ix_notification_due_at"),
        "notification",
        ["due_at"],
        schema="groundwork",
        postgresql_where=sa.text("state IN ('waiting', 'sending', 'failed')"),
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False, comment="name in the policy"),
        sa.Column("kind", sa.Text(), nullable=False, comment="data_loss, breach, compliance_violation, …"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about, e.g. market.orders"),
        sa.Column("evidence", sa.Text(), nullable=False, comment="names the fact that was found, e.g. a run"),
        sa.Column("what", sa.Text(), nullable=False, comment="for people, without secrets and row values"),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
        sa.UniqueConstraint("rule", "subject", "evidence", name=op.f("uq_alarm_rule_subject_evidence")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_alarm_raised_at"), "alarm", ["raised_at"], schema="groundwork")
    op.add_column(
        "report",
        sa.Column(
            "html",
            sa.Text(),
            nullable=True,
            comment="the same as a document of its own, for mail; null for kinds that are not sent",
        ),
        schema="groundwork",
    )
