"""Sessions that hold up our work, found through the lock graph and ended only as policy says."""

# groundwork: allow-file raw_sql,own_session ends sessions on the server

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.fault import Change
from groundwork.orbt.remedies.connections.sessions import APPLICATION_PREFIX
from groundwork.orbt.remedies.queries.lock_graph import PREPARED, Graph, Session, held_up_by, roots
from groundwork.orbt.remedies.queries.lock_probe import probing, waiting_graph
from groundwork.orbt.remedies.queries.statement import Statement, failed
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

_STILL_THE_SAME = """
    FROM pg_stat_activity
    WHERE pid = :pid AND backend_start = :backend_start AND state = :state AND state_change = :state_change
"""
_CANCEL = text(f"SELECT pg_cancel_backend(pid) AS is_sent {_STILL_THE_SAME}")
_TERMINATE = text(f"SELECT pg_terminate_backend(pid) AS is_sent {_STILL_THE_SAME}")
_CANCEL_SECONDS = 2.0  # for a cancelled statement to stop
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """From which time on a session that holds up ours is ended, and whose."""

    idle_seconds: float
    active_seconds: float
    others: tuple[Mapping[str, str], ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> _Rules:
        return cls(
            idle_seconds=float(settings.get("idle_seconds", 30)),
            active_seconds=float(settings.get("active_seconds", 600)),
            others=tuple(settings.get("others", ())),
        )

    def obstacle(self, session: Session) -> str | None:
        """Why the session is left alone, null when it may be ended."""
        if session.application.startswith(f"{APPLICATION_PREFIX}:remedy"):
            return "a remedy's own"
        if session.backend_type not in (None, "client backend"):
            return f"a {session.backend_type}"
        if not session.is_ours and not any(_matches(other, session) for other in self.others):
            return "not ours, and policy does not name it"
        if session.seconds is None or session.state is None:
            return "our role may not see what it does"
        limit = self.idle_seconds if session.is_idle else self.active_seconds
        return f"not yet for {limit:g} s" if session.seconds < limit else None


class EndBlockers(Remedy):
    """End the sessions at the root of what our work waits for, by policy."""

    name = "end_blockers"
    summary = (
        "finds who holds up the failed statement and other work of ours, and ends sessions of ours that only sit there"
    )
    limits = Limits(
        seconds=40,
        blast_radius="sessions of our own login and name, idle in a transaction for 30 s or busy for ten minutes; "
        "others only where policy names role and application",
    )
    way_back = "an ended session's transaction was rolled back by the server, and its task does it anew"
    needs_store: ClassVar[bool] = False
    cost: ClassVar[int] = 3

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """Who would be ended, and who stays."""
        with scene.target.connect() as connection, probing(scene.target, _statement(scene)) as probe:
            graph = waiting_graph(connection, probe)
        rules = _Rules.of(scene.settings)
        found = [_told(graph, graph[root], rules.obstacle(graph[root])) for root in _roots(graph, probe)]
        return tuple(found) or _nobody()

    def apply(self, scene: Scene, journal: Journal) -> None:
        """End them."""
        rules = _Rules.of(scene.settings)
        autocommit = scene.target.connect().execution_options(isolation_level="AUTOCOMMIT")
        with autocommit as connection, probing(scene.target, _statement(scene)) as probe:
            graph = waiting_graph(connection, probe)
            found = _roots(graph, probe)
            lines, ended = [], 0
            for root in found:
                obstacle = rules.obstacle(graph[root])
                if obstacle is None:
                    is_ended = _end(connection, graph, graph[root], journal)
                    ended += is_ended
                    obstacle = None if is_ended else "it could not be ended, or had moved on by itself"
                lines.append(_told(graph, graph[root], obstacle, is_past=True))
        if PREPARED in roots(graph, _ours(graph, probe)):
            lines.append("a prepared transaction holds up ours too: a person has to commit or roll it back")
        if not lines:
            _nobody()
        if not ended:
            raise RemedyRefusedError("; ".join(lines))
        for line in lines:
            journal.note(line)

    def undo(self, scene: Scene, change: Change) -> str:
        """Nothing can be undone."""
        return f"{change.what}: {self.way_back}"


def _nobody() -> tuple[str, ...]:
    raise RemedyRefusedError("no work of ours waits for a lock")


def _statement(scene: Scene) -> Statement | None:
    try:
        return failed(scene)
    except RemedyRefusedError:
        return None


def _ours(graph: Graph, probe: int | None) -> list[int]:
    return [pid for pid, session in graph.items() if pid == probe or (session.blockers and session.is_ours)]


def _roots(graph: Graph, probe: int | None) -> list[int]:
    return sorted(roots(graph, _ours(graph, probe)) & graph.keys())


def _matches(other: Mapping[str, str], session: Session) -> bool:
    """Whether a rule of the policy means the session; what a rule does not name matches nothing."""
    return fnmatchcase(session.role or "", other.get("role", "")) and fnmatchcase(
        session.application, other.get("application", "")
    )


def _end(connection: Connection, graph: Graph, session: Session, journal: Journal) -> bool:
    """Cancel what it does, and end it when that does not help or it does nothing; whether that was done."""
    journal.will(f"end the session {session.pid}", pid=session.pid, backend_start=str(session.backend_start))
    try:
        if not session.is_idle and _sent(connection, _CANCEL, session):
            end = time.monotonic() + _CANCEL_SECONDS
            while time.monotonic() < end:
                if not _is_blocking(connection, graph, session):
                    return True
                time.sleep(_POLL_SECONDS)
            session = waiting_graph(connection, None).get(session.pid, session)
        return _sent(connection, _TERMINATE, session)
    except SQLAlchemyError:  # our role may not
        return False


def _is_blocking(connection: Connection, before: Graph, session: Session) -> bool:
    now = waiting_graph(connection, None)
    return any(session.pid in now[pid].blockers for pid in before if pid in now)


def _sent(connection: Connection, signal: Any, session: Session) -> bool:
    """Send the signal to the very session in the very state that was looked at."""
    values = {
        "pid": session.pid,
        "backend_start": session.backend_start,
        "state": session.state,
        "state_change": session.state_change,
    }
    return bool(connection.execute(signal, values).scalar())


def _told(graph: Graph, session: Session, obstacle: str | None, *, is_past: bool = False) -> str:
    waiting = ", ".join(map(str, held_up_by(graph, session.pid)))
    verdict = f"left alone: {obstacle}" if obstacle else "ended" if is_past else "would be ended"
    return f"{session} holds up {waiting}; {verdict}"
