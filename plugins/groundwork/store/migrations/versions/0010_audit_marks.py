"""Up to which event the audit trail was found intact; strikes that ask a person while the task tries on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from groundwork.store.audit_mark import protect_marks

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, append-only; say what an action can be."""
    op.create_table(
        "audit_mark",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="of the last event that was verified"),
        sa.Column("hash", sa.Text(), nullable=False, comment="of that event, which it must have for ever"),
        sa.Column(
            "is_whole", sa.Boolean(), nullable=False, comment="whether the chain was verified from its first event"
        ),
        sa.Column("marked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_mark")),
        schema="groundwork",
    )
    protect_marks(op.get_bind())
    op.alter_column(
        "strike", "action", comment="retry, ask_and_retry or ask_person", existing_comment="retry or ask_person",
        existing_type=sa.Text(), existing_nullable=False, schema="groundwork",
    )  # fmt: skip
