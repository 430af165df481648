"""Knowledge: where each strike happened, and what people teach of remedies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, create the table."""
    op.add_column(
        "strike",
        sa.Column(
            "circumstances",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="where it failed",
        ),
        schema="groundwork",
    )
    op.create_table(
        "lesson",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fault_class", sa.Text(), nullable=False, comment="name of the error pattern"),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="works, fails or harmful"),
        sa.Column(
            "circumstances",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="where it holds; what is left out holds everywhere",
        ),
        sa.Column("strike_id", sa.BigInteger(), nullable=True, comment="the strike whose outcome it corrects"),
        sa.Column("note", sa.Text(), nullable=False, comment="why"),
        sa.Column("taught_by", sa.Text(), nullable=False),
        sa.Column("taught_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.Column("withdrawn_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["strike_id"], ["groundwork.strike.id"], name=op.f("fk_lesson_strike_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesson")),
        schema="groundwork",
    )
    op.create_index(op.f("ix_lesson_fault_class"), "lesson", ["fault_class"], schema="groundwork")
