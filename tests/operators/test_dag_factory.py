"""Dags follow contracts: schedule, assets, partitions, pools, deadlines; and one broken contract costs only its own."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.pipelines import catalogue
from groundwork.flow.pipelines.catalogue import pipeline_domain, read_catalogue
from groundwork.flow.pipelines.run_window import given_window, interval_window, partition_window
from groundwork.model.errors import ConfigError
from groundwork.settings import Settings
from tests.operators.pipeline_contracts import WATERMARK, write_contract

pytestmark = pytest.mark.airflow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def settings(project: Path) -> Settings:
    return Settings(project=project, home=project / "home")


def dags(project: Path) -> dict[str, Any]:
    from groundwork.operators.pipelines.factory import pipeline_dags

    return dict(pipeline_dags(settings(project)))


def test_a_dag_per_table_with_a_source(project: Path) -> None:
    write_contract(project, "orders", source={"schedule": "@daily", **WATERMARK}, freshness=(2, "h"))
    write_contract(project, "streamed", source={"kind": "stream"})
    path = write_contract(project, "unloaded")
    path.write_text(path.read_text().replace("property: source", "property: origin"))
    (dag,) = dags(project).values()
    assert dag.dag_id == "load_shop__orders"
    assert dag.tags == {"groundwork", "load", "shop", "tested"}
    assert [task.task_id for task in dag.topological_sort()] == ["check", "load", "validate", "announce"]
    assert {task.owner for task in dag.tasks} == {"team-shop"}
    assert {task.retries for task in dag.tasks} == {2}
    assert dag.task_dict["announce"].outlets[0].name == "shop.orders"
    assert "| number | integer, key | public | What \\| it counts. |" in dag.doc_md
    assert set(dag.params) == {"window_start", "window_end", "full_refresh", "dry_run"}
    (deadline,) = dag.deadline
    assert deadline.interval == timedelta(hours=2)
    assert dag.catchup is False


def test_schedules(project: Path) -> None:
    from airflow.sdk import CronDataIntervalTimetable, CronPartitionTimetable, PartitionedAssetTimetable

    write_contract(project, "by_hand", freshness=(1, "d"))
    write_contract(project, "nightly", source={"schedule": "30 2 * * *"})
    write_contract(project, "parts", source={"schedule": "@daily", "partition": True, **WATERMARK})
    write_contract(project, "child", source={"schedule": "asset"}, parent="nightly")
    write_contract(project, "part_child", source={"schedule": "asset", **WATERMARK}, parent="parts")
    found = dags(project)
    assert found["load_shop__by_hand"].schedule is None
    assert not found["load_shop__by_hand"].deadline
    assert isinstance(found["load_shop__nightly"].timetable, CronDataIntervalTimetable)
    parts = found["load_shop__parts"].timetable
    assert isinstance(parts, CronPartitionTimetable)
    assert [asset.name for asset in found["load_shop__child"].schedule] == ["shop.nightly"]
    waiting = found["load_shop__part_child"].timetable
    assert isinstance(waiting, PartitionedAssetTimetable)
    assert found["load_shop__part_child"].task_dict["load"].cron == "0 0 * * *"


def test_every_dag_survives_serialisation(project: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    write_contract(project, "cut", source={"schedule": "@hourly", "parallel": 3, "connection": "crm", **WATERMARK})
    write_contract(project, "parts", source={"schedule": "@daily", "partition": True, **WATERMARK}, freshness=(1, "d"))
    write_contract(project, "child", source={"schedule": "asset", **WATERMARK}, parent="parts")
    for dag in dags(project).values():
        copy = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert sorted(copy.task_ids) == sorted(dag.task_ids)


def test_a_cut_load_has_mapped_parts_in_the_pool_of_its_connection(project: Path) -> None:
    write_contract(project, "cut", source={"parallel": 3, "connection": "crm"})
    write_contract(project, "own", source={"pool": {"name": "narrow", "slots": 1}, "connection": "crm"})
    found = dags(project)
    cut = found["load_shop__cut"]
    assert [task.task_id for task in cut.topological_sort()] == [
        "check",
        "load_part",
        "publish",
        "validate",
        "announce",
    ]
    assert cut.task_dict["load_part"].is_mapped
    assert cut.task_dict["load_part"].partial_kwargs["pool"] == "source_crm"
    assert cut.task_dict["check"].pool == "default_pool"
    assert found["load_shop__own"].task_dict["load"].pool == "narrow"


def test_parts_that_are_published_one_by_one_need_no_publication(project: Path) -> None:
    write_contract(project, "cut", source={"parallel": {"parts": 3, "publish": "each"}})
    cut = dags(project)["load_shop__cut"]
    assert [task.task_id for task in cut.topological_sort()] == ["check", "load_part", "books", "validate", "announce"]
    assert cut.task_dict["announce"].loaded_by == "books"
    assert cut.task_dict["check"].publishes_each


def test_only_the_dag_of_a_task_is_built_in_its_process(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_contract(project, "first")
    write_contract(project, "second")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "load_shop__second")
    assert list(dags(project)) == ["load_shop__second"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"schedule": "now and then"}, "source.schedule"),
        ({"schedule": "@fortnightly"}, "source.schedule"),
        ({"schedule": 5}, "source.schedule"),
        ({"schedule": "@daily", "partition": True}, "source.partition"),
        ({"schedule": "@daily", "partition": "yes"}, "source.partition"),
        ({"parallel": 0}, "source.parallel"),
        ({"parallel": "many"}, "source.parallel"),
        ({"parallel": {"parts": 2, "publish": "never"}}, "source.parallel"),
        ({"parallel": {"publish": "each"}}, "source.parallel"),
        ({"parallel": {"parts": 2, "width": 3}}, "source.parallel"),
        ({"parallel": {"parts": 2, "publish": "each"}, "mode": "replace"}, "source.parallel"),
        ({"parallel": {"parts": 2, "publish": "each"}, "kind": "table", "connection": "crm", "table": "t"}, "together"),
        ({"pool": {"slots": 3}}, "source.pool"),
        ({"pool": {"name": "x", "slots": 0}}, "source.pool"),
        ({"watermark": {"column": "nobody"}}, "nobody"),
        ({"schedule": "asset"}, "cannot wait"),
    ],
)
def test_what_cannot_be_is_told_and_costs_only_its_own_dag(project: Path, source: dict[str, Any], told: str) -> None:
    from groundwork.operators.pipelines.factory import require_whole

    write_contract(project, "good")
    require_whole(settings(project))
    write_contract(project, "wrong", source=source)
    assert list(dags(project)) == ["load_shop__good"]
    with pytest.raises(ConfigError, match=told) as caught:
        require_whole(settings(project))
    assert "shop/wrong.odcs.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "a: [", "- list\n", "id: x\nversion: 1\nschema: [{}]\n", "\x00", "é".encode("latin-1")]
)
def test_a_broken_file_takes_no_other_dag_away(project: Path, content: str | bytes) -> None:
    from groundwork.operators.pipelines.factory import require_whole

    write_contract(project, "good")
    broken = write_contract(project, "wrong")
    broken.write_bytes(content if isinstance(content, bytes) else content.encode())
    for _ in range(2):  # derived, and then as it was kept
        assert list(dags(project)) == ["load_shop__good"]
        with pytest.raises(ConfigError, match=r"wrong\.odcs\.yaml"):
            require_whole(settings(project))
    write_contract(project, "wrong")
    assert sorted(dags(project)) == ["load_shop__good", "load_shop__wrong"]
    require_whole(settings(project))


def test_two_files_that_declare_one_table(project: Path) -> None:
    from groundwork.operators.pipelines.factory import require_whole

    first = write_contract(project, "orders")
    shutil.copy(first, first.with_name("zz_copy.odcs.yaml"))
    assert list(dags(project)) == ["load_shop__orders"]
    with pytest.raises(ConfigError, match=r"declared in shop/orders\.odcs\.yaml already"):
        require_whole(settings(project))


def test_added_changed_and_removed_contracts_show_at_the_next_reading(project: Path) -> None:
    write_contract(project, "first", description="As it was.")
    assert "As it was." in dags(project)["load_shop__first"].doc_md
    write_contract(project, "first", description="As it is.")
    write_contract(project, "second")
    found = dags(project)
    assert sorted(found) == ["load_shop__first", "load_shop__second"]
    assert "As it is." in found["load_shop__first"].doc_md
    (project / "governance" / "contracts" / "shop" / "first.odcs.yaml").unlink()
    assert list(dags(project)) == ["load_shop__second"]


def test_what_is_kept_is_used_and_never_trusted_blindly(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "governance" / "contracts"
    write_contract(project, "first")
    before = read_catalogue(folder, project / "home")
    with monkeypatch.context() as counted:
        counted.setattr(catalogue, "read_contract", lambda _: pytest.fail("it was derived again"))
        assert read_catalogue(folder, project / "home") == before
    kept = project / "home" / "cache" / catalogue.CACHE
    for damage in ("", "{", "[]", json.dumps({"code": "other", "files": {}}), json.dumps({"files": 3})):
        kept.write_text(damage)
        assert read_catalogue(folder, project / "home") == before
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "code": "another version of the code"}))
    assert read_catalogue(folder, project / "home") == before


def test_what_is_kept_hangs_on_the_code_that_derives() -> None:
    names = {f"{path.parent.name}/{path.name}" for path in catalogue._code_files()}
    assert {"contracts/read.py", "contracts/contract.py", "pipelines/pipeline.py", "pipelines/words.py"} <= names


def test_a_folder_that_cannot_be_written_costs_only_time(project: Path) -> None:
    write_contract(project, "first")
    (project / "home").write_text("a file where the folder should be")
    assert list(dags(project)) == ["load_shop__first"]


def test_a_load_needs_only_its_own_part_of_the_domain(project: Path) -> None:
    folder = project / "governance" / "contracts"
    write_contract(project, "parent")
    write_contract(project, "child", parent="parent")
    write_contract(project, "other").write_text("a: [")
    found = pipeline_domain(folder, "shop", "shop.child")
    assert sorted(table.name for table in found.tables) == ["child", "parent"]
    with pytest.raises(ConfigError, match=r"`other` is not declared, or its contract is broken"):
        pipeline_domain(folder, "shop", "other")
    (folder / "shop" / "parent.odcs.yaml").unlink()
    with pytest.raises(ConfigError, match="`parent` is not declared"):
        pipeline_domain(folder, "shop", "child")


def test_windows() -> None:
    assert str(partition_window("2026-11-20T00:00:00", "0 0 * * *", "date")) == "[2026-11-20, 2026-11-21)"
    hourly = partition_window("2026-11-20T05:00:00", "0 * * * *", "timestamptz")
    assert str(hourly) == "[2026-11-20T05:00:00+00:00, 2026-11-20T06:00:00+00:00)"
    monthly = partition_window("2026-01-01T00:00:00", "0 0 1 * *", "timestamp without time zone")
    assert str(monthly) == "[2026-01-01T00:00:00, 2026-02-01T00:00:00)"
    assert given_window("", None) is None
    assert str(given_window("5", "")) == "[5, )"
    with pytest.raises(ConfigError, match="key is no time"):
        partition_window("europe", "0 0 * * *", "date")
    with pytest.raises(ConfigError, match="no watermark of time"):
        interval_window(*(hourly_moment(), hourly_moment()), "integer")


def hourly_moment() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 11, 20, tzinfo=UTC)
