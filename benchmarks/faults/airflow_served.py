"""An API that answered a load once and is away since: what was kept is served, and what is made from it is stale."""

from __future__ import annotations

import time
from decimal import Decimal

from groundwork.store.stale_dataset import StaleDatasets

from .airflow_site import STALE_MODEL, AirflowSite
from .api import Answer
from .work import HEADER, compared

_TABLE = "shop.quotes"
_ROWS = [
    (number, number % 500, 1 + number % 20, Decimal(number) / 4, f"note {number % 97} ä") for number in range(1, 701)
]
_ANSWERED_SECONDS = 900.0


def answer_once(site: AirflowSite) -> None:
    """Let a run load the API's answer; then the API is away, and the table is empty."""
    site.quotes.records = [dict(zip(HEADER, (*row[:3], float(row[3]), row[4]), strict=True)) for row in _ROWS]
    site.quotes.answer = Answer.WELL
    dag_id, until = "orbt_served", time.monotonic() + _ANSWERED_SECONDS
    while not site.api.has_dag(dag_id) and time.monotonic() < until:
        time.sleep(0.2)
    run_id = site.api.trigger(dag_id, {})
    while (state := site.api.run(dag_id, run_id).state) in {"queued", "running"} and time.monotonic() < until:
        time.sleep(0.2)
    trouble = compared(_found(site), _ROWS)
    if state != "success" or trouble is not None:
        raise RuntimeError(f"the first load of {_TABLE} was {state}: {trouble}")
    with site.server.connect(site.database) as connection:
        connection.execute(f"TRUNCATE {_TABLE}")
    site.quotes.answer = Answer.UNAVAILABLE


def served_trouble(site: AirflowSite) -> str | None:
    """How the table differs from the kept answer, or which mark of what is stale is missing."""
    marked = {row["dataset"] for row in StaleDatasets(site.store).all() if row["because_of"] == _TABLE}
    missing = {_TABLE, STALE_MODEL} - marked
    return compared(_found(site), _ROWS) or (f"not marked as stale: {', '.join(sorted(missing))}" if missing else None)


def _found(site: AirflowSite) -> list[tuple[object, ...]]:
    return site.rows(f"SELECT {', '.join(HEADER)} FROM {_TABLE} ORDER BY id")  # noqa: S608  names of the suite
