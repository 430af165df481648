"""What ORBT does by itself before a retry: each remedy acts on the real component, within limits, and says what it did.

A remedy never raises for a component that is away: that is what it was called about, and its report says so.
Not here: the choice of remedy (`governance/patterns`) and its timing (`groundwork.orbt.strikes`).
"""

# groundwork: allow-file raw_sql,own_session remedies act on the server: its sessions, its roles, its statistics

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.fault import RemedyResult
from groundwork.orbt.redaction import redact

APPLICATION_PREFIX = "groundwork"  # every session of ours has an application name that starts with it
STUCK_SECONDS = 300.0  # a session of ours that sat in a transaction or waited for a lock this long serves nobody
_STATEMENT_TIMEOUT = "5s"
_END_STUCK = text(
    """
    SELECT pid, pg_terminate_backend(pid) AS is_ended
    FROM pg_stat_activity
    WHERE usename = current_user
      AND datname = current_database()
      AND starts_with(application_name, :prefix)
      AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'
      AND state_change < clock_timestamp() - make_interval(secs => :older_than)
      AND (state IN ('idle in transaction', 'idle in transaction (aborted)')
           OR (state = 'active' AND wait_event_type = 'Lock'))
    ORDER BY pid
    """
)


def reset_stuck_connections(engine: Engine, *, older_than_seconds: float = STUCK_SECONDS) -> tuple[int, ...]:
    """End our own stuck sessions in this database and drop the pool; the process ids that were ended, ascending.

    Ours means: the same role, and an application name that starts with `APPLICATION_PREFIX`. Stuck means: for longer
    than the limit idle inside a transaction or waiting for a lock. Anybody else's session is left alone.
    Raises: SQLAlchemyError when the server cannot be reached.
    """
    engine.dispose()
    with engine.connect() as connection, connection.begin():
        connection.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
        rows = connection.execute(_END_STUCK, {"prefix": APPLICATION_PREFIX, "older_than": older_than_seconds})
        return tuple(row.pid for row in rows if row.is_ended)


def _reset_connections(engine: Engine) -> RemedyResult:
    ended = reset_stuck_connections(engine)
    told = f"ended {len(ended)} stuck session(s) of ours: {', '.join(map(str, ended))}" if ended else "none was stuck"
    return RemedyResult(remedy="reset_connections", is_done=True, report=f"pool dropped; {told}")


def _refresh_credentials(engine: Engine) -> RemedyResult:
    """Log in anew: the next connection asks the pool's creator again, and this proves whether it is let in."""
    engine.dispose()
    with engine.connect() as connection:
        role: str = connection.execute(text("SELECT current_user")).scalar_one()
    return RemedyResult(remedy="refresh_credentials", is_done=True, report=f"logged in anew as {role}")


def _analyze(engine: Engine) -> RemedyResult:
    """Refresh the statistics of tables of ours whose plans may rest on old ones; at most ten, most changed first."""
    stale = text(
        """
        SELECT statistics.schemaname AS schema, statistics.relname AS table_name
        FROM pg_stat_user_tables AS statistics
        JOIN pg_class AS class ON class.oid = statistics.relid
        WHERE pg_has_role(class.relowner, 'USAGE')
          AND statistics.n_mod_since_analyze > 0.1 * statistics.n_live_tup + 50
        ORDER BY statistics.n_mod_since_analyze DESC LIMIT 10
        """
    )
    quote = engine.dialect.identifier_preparer.quote
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = '60s'"))
        names = [f"{quote(row.schema)}.{quote(row.table_name)}" for row in connection.execute(stale)]
        for name in names:
            connection.execute(text(f"ANALYZE {name}"))
        connection.execute(text("RESET statement_timeout"))
    told = (
        f"refreshed the planner's statistics of {', '.join(names)}" if names else "the planner's statistics are fresh"
    )
    return RemedyResult(remedy="analyze_tables", is_done=True, report=told)


REMEDIES: Mapping[str, Callable[[Engine], RemedyResult]] = {
    "reset_connections": _reset_connections,
    "refresh_credentials": _refresh_credentials,
    "analyze_tables": _analyze,
}


def apply(remedy: str, engine: Engine) -> RemedyResult:
    """Run one remedy and time it; what keeps it from its work is told in the result, never raised."""
    started = time.monotonic()
    try:
        result = REMEDIES[remedy](engine)
    except (SQLAlchemyError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        result = RemedyResult(remedy=remedy, is_done=False, report=redact(f"could not: {lines[0]}"))
    return replace(result, seconds=round(time.monotonic() - started, 3))
