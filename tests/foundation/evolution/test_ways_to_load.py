"""The command and the pipelines' tasks let the contract follow before they load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundwork.operators import connections
from groundwork.operators.integration import LoadOperator
from groundwork.operators.pipelines.parts import PublishPartsOperator, StagePartOperator
from groundwork.operators.pipelines.tasks import (
    CheckSourceOperator,
    LoadTableOperator,
)
from tests.cli.test_load import environment, run
from tests.fix_postgres import Database
from tests.foundation.evolution.yard import Yard, make_yard
from tests.operators.test_replay_operator import Events

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


class Instance:
    """The task instance, as far as an actor's name and a lineage need it."""

    dag_id, run_id, task_id = "yard_items", "manual", "load"


def _context(**more: Any) -> Any:
    given = {"run_id": "manual", "ti": Instance(), "outlet_events": Events(), "params": {}, "dag_run": _Run()}
    return {**given, **more}


class _Run:
    partition_key = None
    run_type = "manual"
    data_interval_start = None


@pytest.fixture
def yard(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    found = make_yard(database.engine, tmp_path, mode="merge")
    found.write("item_id,name,colour", "1,a,red", "2,b,blue")
    for name, value in environment(tmp_path, database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(connections, "engine", lambda _: database.engine)
    return found


def _options(**more: Any) -> dict[str, Any]:
    return {"task_id": "load", "domain": "yard", "table": "yard.items", **more}


def test_a_pipeline_that_loads_in_one_task(yard: Yard) -> None:
    books = LoadTableOperator(**_options()).run(_context())
    assert (books["loaded"], books["quarantined"]) == (2, 0)
    assert yard.rows("SELECT colour FROM yard.items ORDER BY item_id") == [("red",), ("blue",)]
    actor = "airflow:yard_items/manual/load"
    assert yard.rows("SELECT actor FROM groundwork.migration") == [(actor,)]


def test_a_pipeline_in_parts_follows_once_before_there_are_parts(yard: Yard) -> None:
    text = yard.contract_file.read_text(encoding="utf-8")
    yard.contract_file.write_text(text.replace('"items.csv"', '"items_*.csv"'), encoding="utf-8")
    yard.write("item_id,name", "1,a", "2,b", name="items_1.csv")
    yard.write("item_id,name,colour", "3,c,red", name="items_2.csv")
    check = CheckSourceOperator(**_options(parallel=2))
    parts = check.run(_context())
    assert len(parts) == 2
    assert list(check.contract.columns)[-1].name == "colour"  # what it had read was read again
    for part in parts:
        StagePartOperator(**_options(parallel=2, part=part)).run(_context())
    books = PublishPartsOperator(**_options(parallel=2)).run(_context())
    assert (books["loaded"], books["quarantined"]) == (3, 0)
    assert [event["outcome"] for event in yard.events()] == ["evolved"]


def test_a_dry_run_changes_no_contract(yard: Yard) -> None:
    from groundwork.model.errors import SkippableError

    with pytest.raises(SkippableError, match="2 for quarantine"):
        CheckSourceOperator(**_options(parallel=2)).run(_context(params={"dry_run": True}))
    assert list(yard.declared()) == ["item_id", "name"]


def test_a_flow_that_names_its_tables(yard: Yard) -> None:
    operator = LoadOperator(task_id="load", domain="yard", tables=["items"])
    (books,) = operator.run(_context())
    assert (books["loaded"], books["quarantined"]) == (2, 0)
    assert list(yard.types()) == ["item_id", "name", "colour"]


def test_the_command(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    yard.write("item_id,name,colour", "1,a,red")
    tried = run(tmp_path, database, "load", "items", "--dry-run", "--json")
    assert (tried.returncode, json.loads(tried.stdout)["quarantined"]) == (1, 1)
    assert list(yard.declared()) == ["item_id", "name"]
    done = run(tmp_path, database, "load", "items", "--json")
    assert (done.returncode, json.loads(done.stdout)["loaded"]) == (0, 1), done.stderr
    assert "yard.items: the contract follows its source: new column colour text (version 1.4.0 to 1.5.0" in done.stderr
    assert yard.rows() == [(1, "a", "red")]


def test_the_command_with_another_file(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "more.csv").write_text("item_id,name,Unit Price\n7,g,1.5\n", encoding="utf-8")
    done = run(tmp_path, database, "load", "items", "--source", str(folder / "more.csv"))
    assert done.returncode == 0, done.stderr
    assert [str(value) for value in yard.rows()[0]] == ["7", "g", "1.5"]
    assert yard.table.source is not None
    assert yard.table.source["path"] == "items.csv"
    assert yard.table.source["columns"]["unit_price"] == "Unit Price"


def test_the_command_tells_what_is_not_compatible(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, required=["name"])
    yard.write("item_id,title", "1,a")
    done = run(tmp_path, database, "load", "items")
    assert done.returncode == 2
    assert "the required column `name` needs it" in done.stderr
    assert "source.ignore" in done.stderr
