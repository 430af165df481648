"""A Dag of a team that really ran: what Airflow tells of it makes its score and its series on the page Health."""

from __future__ import annotations

import pytest

from groundwork.operators.dag_figures import dag_figures
from groundwork.orbt.health.health import whole_health
from groundwork.orbt.health.told_runs import measurements
from groundwork.store.base import utc_now
from groundwork.store.health import HealthRecords
from tests.orbt.health import health_books as books
from tests.pages.fix_server import Server

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
_DAG = """
from airflow.sdk import DAG, task

with DAG("team_dag", schedule=None):

    @task
    def work(number: int) -> int:
        return number

    work.expand(number=[1, 2, 3])
"""


def test_what_airflow_tells_of_a_run_makes_the_score(airflow_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    (airflow_server.home / "dags" / "team_dag.py").write_text(_DAG)
    airflow_server.airflow("dags", "test", "team_dag")
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", airflow_server.api_connection("viewer"))
    now = utc_now()
    store = airflow_server.store
    books.strike(store, dag_id="team_dag", domain="team_dag", at=now)
    found, problems = dag_figures(store, ["team_dag", "never_was"], now)
    assert problems == []
    (told,) = found
    assert (told.dag_id, told.succeeded, len(told.runs)) == ("team_dag", 3, 1)
    HealthRecords(store).add(list(measurements(store, found, now)))
    (again,), _ = dag_figures(store, ["team_dag"], utc_now())
    assert again.runs == (), "a run that is known is not told again"
    health = next(each for each in whole_health(store, None, [], now).others if each.pipeline.name == "team_dag")
    assert health.parts[0].told == "3 of 4 tries in 30 days"
    assert health.score is not None
    with airflow_server.client("viewer") as viewer:
        assert "3 of 4 tries in 30 days" in viewer.get("/groundwork/ui/health/team_dag").text
