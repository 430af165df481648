"""When an incident was opened again the last time, and how often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing that is there was opened again."""
    op.add_column(
        "incident",
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True, comment="the last time"),
        schema="groundwork",
    )
    op.add_column(
        "incident",
        sa.Column("reopenings", sa.Integer(), nullable=False, server_default=sa.text("0"), comment="so many times"),
        schema="groundwork",
    )
