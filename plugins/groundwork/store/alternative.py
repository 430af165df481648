"""Alternatives: what the next tries of a task instance run on instead of what failed.

Grain: one row per task instance, kind and first choice; the newest word counts. A row ends with the success of its
task, when the breaker of the first choice closes, or when a person says so; ended rows stay as the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Engine, Integer, PrimaryKeyConstraint, Table, Text, and_, func, select
from sqlalchemy.dialects.postgresql import insert

from groundwork.model.fault import Alternative, TaskTry
from groundwork.store.base import METADATA, moment

ALTERNATIVE = Table(
    "alternative",
    METADATA,
    Column("dag_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("map_index", Integer, nullable=False, comment="-1 when the task is not mapped"),
    Column("kind", Text, nullable=False, comment="replica, fallback, cached_response or statement"),
    Column("names", Text, nullable=False, comment="the first choice: connection id, address or digest"),
    Column("instead", Text, nullable=False, comment="what stands in for it"),
    Column("reason", Text, nullable=False),
    Column("since_try", Integer, nullable=False, comment="the try that failed on the first choice"),
    Column("ran_in_try", Integer, comment="the last try that ran on it"),
    moment("chosen_at"),
    moment("ended_at", nullable=True),
    Column("ended_because", Text),
    PrimaryKeyConstraint("dag_id", "run_id", "task_id", "map_index", "kind", "names"),
)
_KEY = ("dag_id", "run_id", "task_id", "map_index", "kind", "names")


class Alternatives:
    """Repository of alternatives."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, task_try: TaskTry, alternative: Alternative) -> None:
        """Let the tries after `task_try` run on the alternative; the same again changes nothing."""
        statement = insert(ALTERNATIVE).values(
            **_of(task_try),
            kind=alternative.kind.value,
            names=alternative.names,
            instead=alternative.instead,
            reason=alternative.reason,
            since_try=task_try.try_number,
        )
        anew = {name: statement.excluded[name] for name in ("instead", "reason", "since_try")}
        changed = statement.on_conflict_do_update(
            index_elements=list(_KEY),
            set_={**anew, "ended_at": None, "ended_because": None, "chosen_at": func.now()},
            where=ALTERNATIVE.c.since_try < statement.excluded.since_try,
        )
        with self._engine.begin() as connection:
            connection.execute(changed)

    def ran(self, task_try: TaskTry, alternative: Alternative) -> None:
        """Record that this try runs on the alternative."""
        row = and_(
            _same(task_try), ALTERNATIVE.c.kind == alternative.kind.value, ALTERNATIVE.c.names == alternative.names
        )
        with self._engine.begin() as connection:
            connection.execute(ALTERNATIVE.update().where(row).values(ran_in_try=task_try.try_number))

    def end(self, task_try: TaskTry, because: str) -> int:
        """End everything that stands in for this task instance; how many there were."""
        changed = ALTERNATIVE.update().where(_same(task_try), ALTERNATIVE.c.ended_at.is_(None))
        with self._engine.begin() as connection:
            return connection.execute(changed.values(ended_at=func.now(), ended_because=because)).rowcount

    def of(self, task_try: TaskTry) -> list[Mapping[str, Any]]:
        """Every alternative of a task instance, ended ones too, oldest first; columns of `alternative`."""
        query = select(ALTERNATIVE).where(_same(task_try)).order_by(ALTERNATIVE.c.chosen_at, ALTERNATIVE.c.kind)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _of(task_try: TaskTry) -> dict[str, Any]:
    return {
        "dag_id": task_try.dag_id,
        "run_id": task_try.run_id,
        "task_id": task_try.task_id,
        "map_index": task_try.map_index,
    }


def _same(task_try: TaskTry) -> Any:
    return and_(*(ALTERNATIVE.c[name] == value for name, value in _of(task_try).items()))
