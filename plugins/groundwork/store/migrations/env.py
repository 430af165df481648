"""Alembic's environment: runs on the connection that `groundwork.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from groundwork.store.base import SCHEMA
from groundwork.store.tables import complete_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=complete_metadata(),
    version_table_schema=SCHEMA,
    include_schemas=True,
)
context.run_migrations()
