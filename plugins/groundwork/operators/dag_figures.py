"""What Airflow's API tells of Dags that keep no books: the runs that succeeded, and how many task instances did."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from groundwork.operators.airflow_api import api_session, has_api
from groundwork.settings import AIRFLOW_API_CONNECTION

if TYPE_CHECKING:
    import httpx
    from sqlalchemy import Engine

    from groundwork.orbt.health.told_runs import ToldDag, ToldRun

_log = logging.getLogger(__name__)
_MOST_DAGS = 200  # asked in one look, by two requests each
_LOOK_SECONDS = 600  # between two looks, as the Dag `health` makes them
_MOST_RUNS = 100  # of one Dag in one look, which is what the API gives at once; more come with the next


def dag_figures(store: Engine, dag_ids: Sequence[str], now: datetime) -> tuple[list[ToldDag], list[str]]:
    """What is told of these Dags as of `now`, and why the rest is not; a Dag that is gone is left out.

    Of runs only those that ended since the last one that is known, the oldest first. Raises: what the driver raises
    when the store does not answer.
    """
    from groundwork.store.health import KEPT, HealthRecords

    if not dag_ids:
        return [], []
    known = HealthRecords(store).newest()
    found: list[ToldDag] = []
    problems, chosen, hidden = [], _in_turn(dag_ids, now), 0
    try:
        if not has_api():
            return [], [f"what succeeds in Dags without books is not counted: no connection `{AIRFLOW_API_CONNECTION}`"]
        with api_session("to count what succeeded") as client:
            for dag_id in chosen:
                since = max(known.get((dag_id, "run_seconds"), now - KEPT), now - KEPT)
                try:
                    told = _told(client, dag_id, since, now)
                    found += [] if told is None else [told]
                except PermissionError:
                    hidden += 1
    except Exception as error:  # the API, or the look-up of its connection, may be what is broken
        _log.info("Airflow tells nothing of its Dags", exc_info=True)
        count = len(chosen) - len(found)
        problems.append(f"what succeeded in {count} healed Dags was not told ({type(error).__name__})")
    if hidden:
        problems.append(f"the user of `{AIRFLOW_API_CONNECTION}` may not see {hidden} healed Dags")
    return found, problems


def _in_turn(dag_ids: Sequence[str], now: datetime) -> Sequence[str]:
    """Those that are asked now: of many each comes to its turn."""
    first = int(now.timestamp() // _LOOK_SECONDS) * _MOST_DAGS % len(dag_ids)
    return [*dag_ids[first:], *dag_ids[:first]][:_MOST_DAGS]


def _told(client: httpx.Client, dag_id: str, since: datetime, now: datetime) -> ToldDag | None:
    """What is told of one Dag; null when Airflow knows it no more. Raises: PermissionError when we may not see it."""
    from groundwork.orbt.health.score import TRIES_DAYS
    from groundwork.orbt.health.told_runs import ToldDag

    path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns"
    ended: dict[str, str | int] = {
        "state": "success",
        "end_date_gt": since.isoformat(),
        "order_by": "end_date",
        "limit": _MOST_RUNS,
    }
    runs = client.get(path, params=ended)
    month: dict[str, str | int] = {
        "state": "success",
        "end_date_gte": (now - timedelta(days=TRIES_DAYS)).isoformat(),
        "limit": 1,
    }
    tries = client.get(f"{path}/~/taskInstances", params=month)
    statuses = {runs.status_code, tries.status_code}
    if 403 in statuses:
        raise PermissionError(dag_id)
    if 404 in statuses:
        return None
    return ToldDag(
        dag_id=dag_id,
        runs=tuple(map(_run, runs.raise_for_status().json()["dag_runs"])),
        succeeded=int(tries.raise_for_status().json()["total_entries"]),
    )


def _run(row: Mapping[str, Any]) -> ToldRun:
    from groundwork.orbt.health.told_runs import ToldRun

    return ToldRun(
        run_id=row["dag_run_id"],
        started_at=datetime.fromisoformat(row["start_date"]),
        ended_at=datetime.fromisoformat(row["end_date"]),
    )
