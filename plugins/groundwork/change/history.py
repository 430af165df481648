"""What was migrated, when, by whom and how it went, from the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from groundwork.model.errors import ConfigError
from groundwork.store.migration import Migrations


def migrations(store_engine: Engine, domain: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """The newest migrations first, of one domain or of all: id, domain, actor, state, error, times, seconds, stages."""
    return [_told(row) for row in Migrations(store_engine).latest(domain, limit)]


def migration(store_engine: Engine, migration_id: int) -> dict[str, Any]:
    """One migration with its plan and what became of each statement. Raises: ConfigError when there is none."""
    store = Migrations(store_engine)
    row = store.get(migration_id)
    if row is None:
        raise ConfigError(
            "there is no such migration",
            where="groundwork.migration",
            found=migration_id,
            next_step="groundwork generate-migration status",
        )
    kept = ("stage", "position", "attempt", "sql", "state", "error")
    statements = [
        {**{name: each[name] for name in kept}, "seconds": _seconds(each)} for each in store.statements(migration_id)
    ]
    return {**_told(row), "plan": row["plan"], "statements": statements}


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "domain", "actor", "state", "error")
    return {
        **{name: row[name] for name in kept},
        "started_at": row["started_at"].isoformat(),
        "finished_at": row["finished_at"].isoformat() if row["finished_at"] else None,
        "seconds": _seconds(row),
        "stages": [stage["what"] for stage in row["plan"]["stages"]],
    }


def _seconds(row: Mapping[str, Any]) -> float | None:
    return round((row["finished_at"] - row["started_at"]).total_seconds(), 3) if row["finished_at"] else None
