"""Pipelines in a running Airflow: a contract comes, changes, breaks and goes, and its Dag with it; nothing restarts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from groundwork.contracts.derive.ddl import statements
from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.store.audit import AuditTrail
from tests.e2e.fix_workshop import Workshop, wait
from tests.operators.pipeline_contracts import WATERMARK, write_contract

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
HEADER = "number,day,other\n"
FOUR_DAYS = HEADER + "".join(f"{number},2026-01-0{number},\n" for number in (1, 2, 3, 4))
THREE_DAYS = ["2026-01-01 2026-01-02 1", "2026-01-02 2026-01-03 1", "2026-01-03 2026-01-04 1"]  # range and rows read


@pytest.fixture(scope="module", autouse=True)
def dags(workshop: Workshop) -> Iterator[None]:
    """The Dags of the contracts, and no others."""
    with workshop.dag_files("pipelines.py", "contract_errors.py"):
        yield


def test_a_contract_that_is_added_gives_a_dag_that_loads(workshop: Workshop) -> None:
    dag_id = _declare(workshop, "orders", FOUR_DAYS, source=WATERMARK)
    run_id = workshop.start(dag_id)
    assert workshop.ended(dag_id, run_id) == "success", workshop.tasks(dag_id, run_id)
    assert workshop.tasks(dag_id, run_id) == dict.fromkeys(("check", "load", "validate", "announce"), "success")
    assert workshop.values("SELECT number FROM shop.orders ORDER BY 1") == [1, 2, 3, 4]
    assert workshop.values("SELECT run_id FROM groundwork_flow.load WHERE table_name = 'orders'") == [run_id]
    events = workshop.client.get("/assets/events").raise_for_status().json()["asset_events"]
    told = [(event["name"], event["extra"]["loaded"]) for event in events if event["source_dag_id"] == dag_id]
    assert told == [("shop.orders", 4)]


def test_a_contract_that_changes_changes_its_dag(workshop: Workshop) -> None:
    dag_id = _declare(workshop, "orders", source={"schedule": "0 3 1 1 *", **WATERMARK}, description="Told anew.")
    wait(lambda: "Told anew." in (workshop.dag(dag_id)["doc_md"] or ""), "the new description")
    assert workshop.dag(dag_id)["timetable_summary"] == "0 3 1 1 *"


def test_a_broken_contract_is_told_and_takes_no_dag_away(workshop: Workshop) -> None:
    broken = workshop.project / "governance" / "contracts" / "shop" / "broken.odcs.yaml"
    broken.write_text("schema: [")

    def told() -> list[dict[str, Any]]:
        return [error for error in workshop.import_errors() if "shop/broken.odcs.yaml" in error["stack_trace"]]

    (error,) = wait(told, "the import error")
    assert error["filename"].endswith("contract_errors.py")
    before = workshop.dag("load_shop__orders")["last_parsed_time"]
    wait(lambda: workshop.dag("load_shop__orders")["last_parsed_time"] > before, "another reading of the Dags")
    assert workshop.is_active("load_shop__orders")
    run_id = workshop.start("load_shop__orders")
    assert workshop.ended("load_shop__orders", run_id) == "success"
    broken.unlink()
    wait(lambda: not told(), "the end of the import error")


def test_a_backfill_of_three_days_loads_three_windows(workshop: Workshop) -> None:
    dag_id = _declare(workshop, "daily", FOUR_DAYS, source={"schedule": "@daily", **WATERMARK})
    wait(lambda: workshop.is_active(dag_id), "the Dag")
    _backfill(workshop, dag_id)
    assert _windows(workshop, "daily") == THREE_DAYS


def test_partitions_are_loaded_one_by_one_and_wake_who_waits_for_them(workshop: Workshop) -> None:
    source = {"schedule": "@daily", "partition": True, **WATERMARK}
    dag_id = _declare(workshop, "parts", FOUR_DAYS, source=source)
    waiting = _declare(workshop, "part_child", FOUR_DAYS, source={"schedule": "asset", **WATERMARK}, parent="parts")
    wait(lambda: workshop.is_active(dag_id) and workshop.is_active(waiting), "the Dags")
    _backfill(workshop, dag_id)
    assert _windows(workshop, "parts") == THREE_DAYS
    assert workshop.values("SELECT day::text FROM shop.parts ORDER BY 1") == ["2026-01-01", "2026-01-02", "2026-01-03"]
    wait(lambda: _windows(workshop, "part_child") == THREE_DAYS, "the partitions of the child")


def test_a_load_in_parts_waits_for_its_pool_to_be_made(workshop: Workshop) -> None:
    rows = HEADER + "".join(f"{number},2026-01-01,\n" for number in range(20_000))
    dag_id = _declare(workshop, "cut", rows, source={"parallel": 2, "pool": {"name": "narrow", "slots": 1}})
    run_id = workshop.start(dag_id, dry_run=True)
    state = wait(lambda: workshop.tasks(dag_id, run_id).get("check") in {"up_for_retry", "failed"}, "a refusal")
    assert state
    shown = workshop.stack.command("pools")
    assert (shown.returncode, "narrow  1 slots  missing" in shown.stdout) == (1, True), shown.stderr
    made = workshop.stack.command("pools", "--create")
    assert made.returncode == 0, made.stderr
    run_id = workshop.start(dag_id)
    assert workshop.ended(dag_id, run_id) == "success", workshop.tasks(dag_id, run_id)
    assert workshop.values("SELECT count(*) FROM shop.cut") == [20_000]


def test_a_dry_run_loads_nothing_and_a_run_without_its_parts_is_no_failure(workshop: Workshop) -> None:
    before = workshop.values("SELECT count(*) FROM groundwork_flow.load")
    run_id = workshop.start("load_shop__orders", dry_run=True)
    assert workshop.ended("load_shop__orders", run_id) == "success"
    assert set(workshop.tasks("load_shop__orders", run_id).values()) == {"skipped"}
    assert workshop.values("SELECT count(*) FROM groundwork_flow.load") == before


def test_a_promise_that_is_not_kept_is_on_record(workshop: Workshop) -> None:
    dag_id = _declare(workshop, "late", FOUR_DAYS, source={"schedule": "0 3 1 1 *"}, freshness=(0.1, "s"))
    run_id = workshop.start(dag_id)

    def told() -> list[Any]:
        events = AuditTrail(workshop.store).latest(100)
        return [event for event in events if event["action"] == "freshness_promise_missed"]

    event = wait(told, "the missed promise")[0]
    assert event["subject"] == "warehouse:shop.late"
    assert workshop.ended(dag_id, run_id) == "success"


def test_a_contract_that_is_removed_takes_its_dag_away(workshop: Workshop) -> None:
    assert workshop.is_active("load_shop__orders")
    (workshop.project / "governance" / "contracts" / "shop" / "orders.odcs.yaml").unlink()
    wait(lambda: not workshop.is_active("load_shop__orders"), "the end of the Dag")
    assert workshop.runs("load_shop__orders")  # its history stays


def _declare(workshop: Workshop, name: str, rows: str | None = None, **options: Any) -> str:
    """Write a contract, make its table and its file; returns the Dag's id."""
    write_contract(workshop.project, name, **options)
    if workshop.values(f"SELECT to_regclass('shop.{name}')") == [None]:
        domain = pipeline_domain(workshop.project / "governance" / "contracts", "shop", name)
        made = [each for each in statements(domain) if each.table == name or each.kind == "schema"]
        workshop.run(*(each.sql for each in made))
    if rows is not None:
        (workshop.project / "data" / f"{name}.csv").write_text(rows)
    return f"load_shop__{name}"


def _backfill(workshop: Workshop, dag_id: str) -> None:
    """Three days through Airflow's own backfill, to its end."""
    days = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-03T00:00:00Z"}
    workshop.client.post("/backfills", json={"dag_id": dag_id, **days, "max_active_runs": 1}).raise_for_status()

    def ended() -> list[str]:
        states = [run["state"] for run in workshop.runs(dag_id) if run["run_type"] == "backfill"]
        return states if len(states) == 3 and set(states) <= {"success", "failed"} else []

    assert wait(ended, "the backfill") == ["success"] * 3


def _windows(workshop: Workshop, table: str) -> list[str]:
    return workshop.values(
        f"SELECT concat_ws(' ', window_start, window_end, read) FROM groundwork_flow.load WHERE table_name = '{table}' "
        "AND window_start < '2026-02' ORDER BY window_start"
    )
