"""The first tables of the store."""

from __future__ import annotations

from alembic import op

from groundwork.store.audit import protect
from groundwork.store.tables import complete_metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table and protect the audit trail."""
    connection = op.get_bind()
    complete_metadata().create_all(connection)
    protect(connection)
