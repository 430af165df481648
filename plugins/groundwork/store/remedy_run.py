"""Runs of remedies: the lease that lets one run at a time, and the journal that whoever comes after a crash undoes.

Grain of `remedy_run`: one row per run; at most one of a remedy on a target is `running`. A running row whose time is up
belongs to a process that died, or whose undoing failed: it is undone before the remedy may run there again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Engine, Index, Integer, Table, Text, func, literal, select, text, type_coerce
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError

from groundwork.model.fault import TaskTry
from groundwork.store.base import METADATA, identity, moment

RUNNING, DONE, REFUSED, FAILED, UNDONE, ABANDONED = "running", "done", "refused", "failed", "undone", "abandoned"
STATES = (RUNNING, DONE, REFUSED, FAILED, UNDONE, ABANDONED)
REMEDY_RUN = Table(
    "remedy_run",
    METADATA,
    identity(),
    Column("token", Text, nullable=False, unique=True, comment="its sessions' application names end with it"),
    Column("remedy", Text, nullable=False),
    Column("target", Text, nullable=False, comment="Airflow connection id"),
    Column("state", Text, nullable=False, comment="running, done, refused, failed, undone or abandoned"),
    Column("holder", Text, nullable=False, comment="process that runs or undoes it"),
    Column("asked_by", Text, nullable=False, comment="orbt, or the person who asked for it"),
    Column("dag_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("map_index", Integer, nullable=False, comment="-1 when the task is not mapped"),
    Column("try_number", Integer, nullable=False),
    Column("scene", JSONB, nullable=False, comment="fault and circumstances, for undoing"),
    Column("changes", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="told before each was made"),
    Column("result", JSONB, comment="what the run told at its end"),
    Column("report", Text, nullable=False, server_default=text("''"), comment="without secrets and row values"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="times that undoing was begun"),
    moment("started_at"),
    moment("expires_at", comment="from then on its process counts as dead"),
    moment("ended_at", nullable=True),
    Index("uq_remedy_run_one_live", "remedy", "target", unique=True, postgresql_where=text("state = 'running'")),
    Index(None, "started_at"),
    Index(None, "dag_id", "run_id", "task_id"),
)
_IS_EXPIRED = REMEDY_RUN.c.expires_at < func.clock_timestamp()


class RemedyRuns:
    """Repository of runs. Times are the store's own: clocks of workers may differ."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(
        self,
        remedy: str,
        target: str,
        task_try: TaskTry,
        *,
        token: str,
        holder: str,
        seconds: float,
        asked_by: str = "orbt",
        scene: Mapping[str, Any],
    ) -> int | None:
        """Take the lease for so many seconds: the run's id, or null while another run has it."""
        statement = insert(REMEDY_RUN).values(
            **_key(task_try),
            remedy=remedy,
            target=target,
            token=token,
            holder=holder,
            asked_by=asked_by,
            scene=dict(scene),
            state=RUNNING,
            started_at=func.clock_timestamp(),
            expires_at=_from_now(seconds),
        )
        statement = statement.on_conflict_do_nothing(
            index_elements=["remedy", "target"], index_where=text("state = 'running'")
        )
        with self._engine.begin() as connection:
            found: int | None = connection.execute(statement.returning(REMEDY_RUN.c.id)).scalar()
            return found

    def will(self, run_id: int, holder: str, change: Mapping[str, Any]) -> bool:
        """Add a change that is about to be made; false when the lease is not the holder's any more."""
        added = REMEDY_RUN.c.changes.concat(type_coerce([dict(change)], JSONB))
        return self._change(run_id, holder, changes=added)

    def keep_changes(self, run_id: int, holder: str, changes: Sequence[Mapping[str, Any]]) -> bool:
        """Replace the journal, as after each change that was undone; false when the lease is lost."""
        return self._change(run_id, holder, changes=[dict(change) for change in changes])

    def end(
        self, run_id: int, holder: str, state: str, *, report: str, result: Mapping[str, Any] | None = None
    ) -> bool:
        """Give the lease back; false when it was lost, and then nothing is changed."""
        kept = {} if result is None else {"result": dict(result)}
        return self._change(run_id, holder, state=state, report=report, ended_at=func.clock_timestamp(), **kept)

    def release(self, run_id: int, holder: str, *, report: str) -> bool:
        """Leave a run for others to undo, at once; false when the lease was lost."""
        return self._change(run_id, holder, report=report, expires_at=func.clock_timestamp())

    def claim(self, run_id: int, *, state: str, holder: str, seconds: float) -> Mapping[str, Any] | None:
        """Take a run over to undo it: an expired one, or one that is `done`; its row, or null when there is none.

        Null also while another run of the remedy on the target is live.
        """
        changed = (
            REMEDY_RUN.update()
            .where(REMEDY_RUN.c.id == run_id, REMEDY_RUN.c.state == state)
            .values(state=RUNNING, holder=holder, attempts=REMEDY_RUN.c.attempts + 1, expires_at=_from_now(seconds))
            .returning(REMEDY_RUN)
        )
        if state == RUNNING:
            changed = changed.where(_IS_EXPIRED)
        try:
            with self._engine.begin() as connection:
                row = connection.execute(changed).mappings().first()
        except IntegrityError:
            return None
        return dict(row) if row else None

    def live(self, remedy: str, target: str) -> Mapping[str, Any] | None:
        """The running run of a remedy on a target, with `is_expired`."""
        query = select(REMEDY_RUN, _IS_EXPIRED.label("is_expired"))
        rows = self._rows(query.where(*_of(remedy, target), REMEDY_RUN.c.state == RUNNING))
        return rows[0] if rows else None

    def done(self, remedy: str, target: str, task_try: TaskTry) -> Mapping[str, Any] | None:
        """What the remedy told when it ran for this very try, null when it did not or was not done."""
        same = [REMEDY_RUN.c[name] == value for name, value in _key(task_try).items()]
        query = select(REMEDY_RUN.c.result).where(*_of(remedy, target), *same, REMEDY_RUN.c.state == DONE)
        rows = self._rows(query.order_by(REMEDY_RUN.c.id.desc()).limit(1))
        return rows[0]["result"] if rows else None

    def expired(self, limit: int = 100) -> list[int]:
        """The ids of runs whose process died or whose undoing has to be tried again, oldest first."""
        query = select(REMEDY_RUN.c.id).where(REMEDY_RUN.c.state == RUNNING, _IS_EXPIRED)
        return [row["id"] for row in self._rows(query.order_by(REMEDY_RUN.c.id).limit(limit))]

    def get(self, run_id: int) -> Mapping[str, Any] | None:
        """One run, null when there is none; columns of `remedy_run`."""
        rows = self._rows(select(REMEDY_RUN).where(REMEDY_RUN.c.id == run_id))
        return rows[0] if rows else None

    def latest(
        self, limit: int = 50, *, remedy: str | None = None, target: str | None = None, state: str | None = None
    ) -> list[Mapping[str, Any]]:
        """The newest runs first; columns of `remedy_run`."""
        query = select(REMEDY_RUN).order_by(REMEDY_RUN.c.id.desc()).limit(limit)
        for name, value in (("remedy", remedy), ("target", target), ("state", state)):
            query = query if value is None else query.where(REMEDY_RUN.c[name] == value)
        return self._rows(query)

    def _change(self, run_id: int, holder: str, **values: Any) -> bool:
        changed = REMEDY_RUN.update().where(
            REMEDY_RUN.c.id == run_id, REMEDY_RUN.c.holder == holder, REMEDY_RUN.c.state == RUNNING
        )
        with self._engine.begin() as connection:
            return connection.execute(changed.values(**values)).rowcount == 1

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _from_now(seconds: float) -> Any:
    return func.clock_timestamp() + literal(timedelta(seconds=seconds))


def _of(remedy: str, target: str) -> tuple[Any, Any]:
    return REMEDY_RUN.c.remedy == remedy, REMEDY_RUN.c.target == target


def _key(task_try: TaskTry) -> dict[str, Any]:
    return {
        "dag_id": task_try.dag_id,
        "run_id": task_try.run_id,
        "task_id": task_try.task_id,
        "map_index": task_try.map_index,
        "try_number": task_try.try_number,
    }
