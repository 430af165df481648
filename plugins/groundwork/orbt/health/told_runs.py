"""What Airflow tells of Dags that keep no books of their own, as measurements: their runs, and how many
tries succeeded.

Of each finished run its duration and its strikes, at the moment it ended, so that telling twice changes nothing. How
many task instances succeeded in thirty days is a count of now.
"""

# groundwork: allow-file own_session reads what the store says of strikes, not rows of tables

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from groundwork.model.health import Measurement
from groundwork.store.strike import STRIKE

SUCCEEDED = "tries_succeeded"  # a metric: task instances that succeeded in the days of the score


@dataclass(frozen=True, kw_only=True)
class ToldRun:
    """One run that succeeded."""

    run_id: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class ToldDag:
    """What Airflow tells of one Dag: runs that are not known yet, and task instances that `succeeded` lately."""

    dag_id: str
    runs: tuple[ToldRun, ...]
    succeeded: int


def measurements(store: Engine, told: Sequence[ToldDag], now: datetime) -> Iterator[Measurement]:
    """What follows from it, as of `now`. Raises: what the driver raises when the store does not answer."""
    strikes = _strikes(store, told)
    for dag in told:
        yield Measurement(subject=dag.dag_id, metric=SUCCEEDED, at=now, value=float(dag.succeeded))
        for run in dag.runs:
            seconds = (run.ended_at - run.started_at).total_seconds()
            struck = float(strikes.get((dag.dag_id, run.run_id), 0))
            yield Measurement(subject=dag.dag_id, metric="run_seconds", at=run.ended_at, value=seconds)
            yield Measurement(subject=dag.dag_id, metric="run_strikes", at=run.ended_at, value=struck)


def _strikes(store: Engine, told: Sequence[ToldDag]) -> dict[tuple[str, str], int]:
    """(Dag, run) → strikes, of the runs that are told."""
    runs = [run for dag in told for run in dag.runs]
    if not runs:
        return {}
    query = (
        select(STRIKE.c.dag_id, STRIKE.c.run_id, func.count())
        .where(STRIKE.c.dag_id.in_({dag.dag_id for dag in told}), STRIKE.c.run_id.in_({run.run_id for run in runs}))
        .group_by(STRIKE.c.dag_id, STRIKE.c.run_id)
    )
    with store.connect() as connection:
        return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}
