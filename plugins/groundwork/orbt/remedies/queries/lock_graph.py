"""Who waits for whom on a server, by PostgreSQL's own account, told without any value."""

# groundwork: allow-file raw_sql reads the server's view of its sessions

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from groundwork.orbt.remedies.connections.sessions import APPLICATION_PREFIX
from groundwork.orbt.remedies.queries.statement import told

_SESSIONS = text(
    """
    WITH waiting AS MATERIALIZED (
        SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
    )
    SELECT session.pid, session.usename AS role, session.application_name AS application,
           session.backend_type, session.backend_start, session.state, session.state_change,
           extract(epoch FROM clock_timestamp() - session.state_change)::float8 AS seconds,
           session.usename = current_user AS is_same_login, session.query,
           coalesce(waiting.blockers, '{}') AS blockers
    FROM pg_stat_activity AS session LEFT JOIN waiting USING (pid)
    WHERE waiting.pid IS NOT NULL OR session.pid IN (SELECT unnest(blockers) FROM waiting)
    """
)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session that waits or is waited for; `seconds` in its `state`, both null where our role may not see them."""

    pid: int
    role: str | None
    application: str
    backend_type: str | None
    backend_start: datetime | None
    state: str | None
    state_change: datetime | None
    seconds: float | None
    is_same_login: bool
    query: str | None
    blockers: frozenset[int]

    @property
    def is_ours(self) -> bool:
        """Whether it is of our login and named as all of ours are."""
        return self.is_same_login and self.application.startswith(APPLICATION_PREFIX)

    @property
    def is_idle(self) -> bool:
        """Whether it sits in a transaction and does nothing."""
        return (self.state or "").startswith("idle in transaction")

    def __str__(self) -> str:
        lasting = "" if self.seconds is None else f" for {self.seconds:.0f} s"
        asked = f", `{told(self.query)}`" if self.query and self.state is not None else ""
        who = f"{self.role or 'unknown'}, {self.application or 'no name'}"
        return f"session {self.pid} ({who}, {self.state or 'state hidden'}{lasting}{asked})"


Graph = Mapping[int, Session]
PREPARED = 0  # PostgreSQL's process id of a transaction that was prepared and not finished


def lock_graph(connection: Connection) -> Graph:
    """Every session of this database that waits for a lock, and every one that is waited for, by process id."""
    rows = connection.execute(_SESSIONS).mappings()
    return {
        row["pid"]: Session(
            **{**row, "blockers": frozenset(row["blockers"]), "is_same_login": bool(row["is_same_login"]),
               "application": row["application"] or ""}
        )
        for row in rows
    }  # fmt: skip


def roots(graph: Graph, waiting: Iterable[int]) -> frozenset[int]:
    """The process ids at the root of what these wait for; sessions that wait in a ring are no root."""
    found: set[int] = set()
    seen: set[int] = set()
    ahead = [blocker for pid in waiting if pid in graph for blocker in graph[pid].blockers]
    while ahead:
        pid = ahead.pop()
        if pid in seen:
            continue
        seen.add(pid)
        beyond = graph[pid].blockers if pid in graph else frozenset()
        if beyond:
            ahead.extend(beyond)
        else:
            found.add(pid)
    return frozenset(found)


def held_up_by(graph: Graph, root: int) -> tuple[int, ...]:
    """The process ids that wait for `root`, directly or behind others, ascending."""
    return tuple(sorted(pid for pid in graph if root in _all_blockers(graph, pid)))


def _all_blockers(graph: Graph, pid: int) -> set[int]:
    found: set[int] = set()
    ahead = list(graph[pid].blockers)
    while ahead:
        blocker = ahead.pop()
        if blocker not in found:
            found.add(blocker)
            ahead.extend(graph[blocker].blockers if blocker in graph else ())
    return found
