"""Remedies for connections: our own stuck sessions ended, the pool dropped, a login with the secret as it is now."""

# groundwork: allow-file raw_sql,own_session remedies act on the server's sessions and roles

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Engine, text

from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, Scene

APPLICATION_PREFIX = "groundwork"  # every session of ours has an application name that starts with it
STUCK_SECONDS = 300.0  # a session of ours that sat in a transaction or waited for a lock this long serves nobody
_STATEMENT_TIMEOUT = "5s"
_WHERE_STUCK = """
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
_END_STUCK = text(f"SELECT pid, pg_terminate_backend(pid) AS is_ended {_WHERE_STUCK}")
_STUCK = text(f"SELECT pid {_WHERE_STUCK}")


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


class ResetConnections(Remedy):
    """End our own stuck sessions and drop the pool."""

    name = "reset_connections"
    summary = "ends sessions of our own login and name that are stuck, and drops the pool"
    limits = Limits(seconds=15, blast_radius="sessions of our own role and application name, stuck for five minutes")
    way_back = "an ended session was stuck; its transaction was rolled back by the server and the task does it anew"
    needs_store: ClassVar[bool] = False

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The sessions that would be ended."""
        with scene.target.connect() as connection:
            stuck = connection.execute(_STUCK, {"prefix": APPLICATION_PREFIX, "older_than": STUCK_SECONDS})
            return ("drop the pool", *(f"end the session {row.pid}" for row in stuck))

    def apply(self, scene: Scene, journal: Journal) -> None:
        """End them."""
        ended = reset_stuck_connections(scene.target)
        told = (
            f"ended {len(ended)} stuck session(s) of ours: {', '.join(map(str, ended))}" if ended else "none was stuck"
        )
        journal.note(f"pool dropped; {told}")


class RefreshCredentials(Remedy):
    """Log in anew: the target's engine was made with the secret as it is now, and this proves that it is let in."""

    name = "refresh_credentials"
    summary = "reads the connection from the secrets backend anew and logs in"
    limits = Limits(seconds=15, blast_radius="this task's own pool")
    way_back = "nothing was changed"
    needs_store: ClassVar[bool] = False

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """One login."""
        return (f"log in to `{scene.circumstances.target}` with the secret as it is now",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Log in."""
        scene.target.dispose()
        with scene.target.connect() as connection:
            role: str = connection.execute(text("SELECT current_user")).scalar_one()
        journal.note(f"logged in anew as {role}")
