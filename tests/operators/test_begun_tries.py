"""A try that was taken off the queue before it began is no lost worker."""

from __future__ import annotations

import pytest

from groundwork.model.fault import TaskTry
from groundwork.operators.tries.begun_tries import begun
from tests.operators.fix_escalation import Api

pytestmark = pytest.mark.airflow
_PATH = "/api/v2/dags/load/dagRuns/r%201/taskInstances/prices"


def _try(map_index: int = -1) -> TaskTry:
    return TaskTry(dag_id="load", run_id="r 1", task_id="prices", map_index=map_index, try_number=4)


@pytest.mark.parametrize(("map_index", "path"), [(-1, f"{_PATH}/tries"), (2, f"{_PATH}/2/tries")])
def test_only_tries_that_began_count(api: Api, map_index: int, path: str) -> None:
    tries = [
        {"try_number": 1, "start_date": "2026-01-01T00:00:00Z"},
        {"try_number": 2, "start_date": None},
        {"try_number": 4, "start_date": None},
    ]
    api.instances[path] = {"task_instances": tries}
    assert begun(_try(map_index), [1, 2, 3]) == [1]
    assert begun(_try(map_index), []) == []


def test_where_nothing_is_told_they_count_as_begun(api: Api) -> None:
    assert begun(_try(), [1, 2]) == [1, 2]
    api.status = 403
    assert begun(_try(), [1, 2]) == [1, 2]


def test_without_an_api_they_count_as_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_API", raising=False)
    assert begun(_try(), [1, 2]) == [1, 2]
