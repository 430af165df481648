"""The tasks of a pipeline, run one by one: the checkpoint before the load, the range that is compared after it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundwork.contracts.derive import dataset
from groundwork.flow.books import LoadResult
from groundwork.model.errors import DataQualityError
from groundwork.operators import connections
from groundwork.operators.pipelines.parts import (
    LoadPartOperator,
    PublishPartsOperator,
    StagePartOperator,
    SumPartsOperator,
)
from groundwork.operators.pipelines.tasks import (
    CheckSourceOperator,
    LoadTableOperator,
    ValidateTableOperator,
)
from groundwork.store.quality import QualityResults
from tests.cli.test_load import GOOD, days, environment, make_project
from tests.fix_postgres import Database
from tests.operators.pipeline_contracts import WATERMARK, write_contract

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
WINDOW = {"window_start": "2026-01-02", "window_end": "2026-01-03"}


@pytest.fixture
def project(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path, database)
    for name, value in environment(folder, database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(connections, "engine", lambda _: database.engine)
    (folder / "data" / "orders.csv").write_text(GOOD)
    return folder


def task(kind: Any, **options: Any) -> Any:
    given = {"domain": "shop", "table": "shop.orders", "watermark_type": "date", **options}
    return kind(task_id=kind.__name__, **given)


def context(**params: object) -> Any:
    run = SimpleNamespace(partition_key=None, run_type="manual", data_interval_start=None)
    instance = SimpleNamespace(dag_id="load_shop__orders", run_id="run", task_id="load", task_store=None)
    return {"run_id": "run", "params": params, "dag_run": run, "ti": instance}


def suite(project: Path, least: int) -> None:
    """At least so many rows in a load."""
    entry = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": least}}
    meta = {"domain": "shop", "table": "orders", "stage": "before_load"}
    (project / "expectations").mkdir(exist_ok=True)
    (project / "expectations" / "orders_before_load.json").write_text(
        json.dumps({"name": "orders", "meta": meta, "expectations": [entry]})
    )


def accuracy(database: Database) -> list[tuple[bool, str, int | None]]:
    rows = QualityResults(database.engine).results("run", "after_load")
    return [(row["is_passed"], row["observed"], row["row_count"]) for row in rows if row["kind"] == "reconciliation"]


def test_a_checkpoint_stops_the_load_of_a_pipeline(project: Path, database: Database) -> None:
    suite(project, 4)
    with pytest.raises(DataQualityError, match="nothing was published"):
        task(LoadTableOperator).run(context())
    assert days(database) == []
    suite(project, 3)
    assert task(LoadTableOperator).run(context())["loaded"] == 3
    assert task(ValidateTableOperator)._domain()[1] is False  # such a suite asks for no Great Expectations afterwards


def test_a_checkpoint_stops_the_publication_of_parts(project: Path, database: Database) -> None:
    suite(project, 4)
    (part,) = task(PublishPartsOperator, parallel=2).parted(context()).plan()
    task(StagePartOperator, parallel=2, part=part).run(context())
    with pytest.raises(DataQualityError, match="nothing was published"):
        task(PublishPartsOperator, parallel=2).run(context())
    suite(project, 2)
    assert task(PublishPartsOperator, parallel=2).run(context())["loaded"] == 3


def test_parts_are_loads_of_their_own_and_their_books_are_added_up(project: Path, database: Database) -> None:
    write_contract(project, "orders", source={**WATERMARK, "path": "data/orders-*.csv"})
    (project / "data" / "orders-1.csv").write_text(GOOD)
    (project / "data" / "orders-2.csv").write_text("number,day,other\n4,2026-01-03,1\nno number,2026-01-03,1\n")
    cut = {"parallel": 2, "publishes_each": True}
    parts = task(CheckSourceOperator, **cut).run(context())
    assert len(parts) == 2
    told = [task(LoadPartOperator, parallel=2, part=part).run(context()) for part in parts]
    again = [task(LoadPartOperator, parallel=2, part=part).run(context()) for part in parts]
    assert sum(each["loaded"] for each in told) == 4
    assert sum(each["loaded"] for each in again) == 0
    asked = context()
    asked["ti"].xcom_pull = lambda task_ids: told if task_ids == "load_part" else None
    books = task(SumPartsOperator, parts="load_part").run(asked)
    assert (books["read"], books["loaded"], books["quarantined"]) == (5, 4, 1)
    assert LoadResult(**books).is_balanced
    with database.engine.connect() as connection:
        waiting = connection.exec_driver_sql("SELECT count(*) FROM groundwork_flow.staged").scalar()
    assert waiting == 0


def test_only_the_range_of_the_run_is_compared_with_the_source(project: Path, database: Database) -> None:
    assert task(LoadTableOperator).run(context(**WINDOW))["loaded"] == 1
    task(ValidateTableOperator).run(context(**WINDOW))
    (found,) = accuracy(database)
    assert found == (True, "0 missing and 0 differing of 1 rows of the source", 1)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE shop.orders SET other = 6")
    with pytest.raises(DataQualityError, match="reconciliation"):
        task(ValidateTableOperator).run(context(**WINDOW))
    assert accuracy(database)[0][:2] == (False, "0 missing and 1 differing of 1 rows of the source")


def test_a_lineage_that_cannot_be_told_fails_no_load(
    project: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no such facet")

    monkeypatch.setattr(dataset, "load_lineage", broken)
    operator = task(LoadTableOperator)
    assert operator.run(context())["loaded"] == 3
    assert operator.lineage.outputs == ()
