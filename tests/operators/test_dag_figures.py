"""What is asked of Airflow about Dags without books, and what becomes of a look when it does not answer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from groundwork.model.health import Measurement
from groundwork.operators.dag_figures import dag_figures
from groundwork.orbt.health.told_runs import ToldDag, ToldRun
from groundwork.store.base import utc_now
from groundwork.store.health import HealthRecords
from tests.operators.fix_escalation import Api
from tests.operators.test_health import run
from tests.orbt.health import health_books as books

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
TEAM = "team dag"
_PATH = "/api/v2/dags/team%20dag/dagRuns"


def answers(api: Api, *, succeeded: int, ended: datetime) -> None:
    """Airflow knows one Dag: one run that took a minute, and so many task instances that succeeded."""
    row = {
        "dag_run_id": "r1",
        "start_date": (ended - timedelta(minutes=1)).isoformat().replace("+00:00", "Z"),
        "end_date": ended.isoformat().replace("+00:00", "Z"),
    }
    api.instances[_PATH] = {"dag_runs": [row], "total_entries": 1}
    api.instances[f"{_PATH}/~/taskInstances"] = {"task_instances": [], "total_entries": succeeded}


def asked(api: Api) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(path).query) for _, path, _ in api.calls]


def test_runs_since_the_last_known_one_and_the_tries_of_a_month(store: Engine, api: Api) -> None:
    now = utc_now()
    answers(api, succeeded=18, ended=now)
    known = now - timedelta(hours=3)
    HealthRecords(store).add([Measurement(subject=TEAM, metric="run_seconds", at=known, value=1.0)])
    found, problems = dag_figures(store, [TEAM, "gone"], now)
    run_told = ToldRun(run_id="r1", started_at=now - timedelta(minutes=1), ended_at=now)
    assert found == [ToldDag(dag_id=TEAM, runs=(run_told,), succeeded=18)]
    assert problems == []
    runs, tries = asked(api)[:2]
    assert runs["end_date_gt"] == [known.isoformat()]
    assert tries["end_date_gte"] == [(now - timedelta(days=30)).isoformat()]
    assert runs["state"] == tries["state"] == ["success"]


def test_a_look_measures_healed_dags_by_what_airflow_tells(store: Engine, api: Api) -> None:
    now = utc_now()
    answers(api, succeeded=18, ended=now)
    books.strike(store, dag_id=TEAM, run_id="r1", at=now)
    assert run()["problems"] == []
    series = HealthRecords(store).recent([TEAM], limit=5)
    told = {metric: [each.value for each in points] for (_, metric), points in series.items()}
    assert told == {"run_seconds": [60.0], "run_strikes": [1.0], "tries_succeeded": [18.0]}


def test_an_api_that_does_not_answer_or_is_not_there_is_a_problem_of_the_look(
    store: Engine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.strike(store, dag_id=TEAM, at=utc_now())
    api.status = 500
    refused = run()
    assert refused["problems"] == ["what succeeded in 1 healed Dags was not told (ConfigError)"]
    assert refused["measured"] > 0, "databases and disks are measured all the same"
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": 1}))
    assert run()["problems"] == ["what succeeded in 1 healed Dags was not told (RetriableError)"]
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_API")
    (problem,) = run()["problems"]
    assert "no connection `airflow_api`" in problem


def test_of_many_dags_each_comes_to_its_turn(store: Engine, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.operators.dag_figures._MOST_DAGS", 2)
    names, now = ["a", "b", "c"], utc_now()
    for look in range(3):
        assert dag_figures(store, names, now + timedelta(minutes=10 * look)) == ([], [])
    paths = [urlsplit(path).path.split("/")[4] for _, path, _ in api.calls]
    assert sorted(paths) == sorted(names * 4), "two requests for each, in two of three looks"


def test_dags_that_we_may_not_see_are_told(store: Engine, api: Api) -> None:
    api.status = 403
    assert dag_figures(store, ["a", "b"], utc_now()) == ([], ["the user of `airflow_api` may not see 2 healed Dags"])


def test_nobody_is_asked_about_no_dags(store: Engine, api: Api) -> None:
    assert dag_figures(store, [], utc_now()) == ([], [])
    assert api.calls == []
