"""The replay as a task: settled rows, an event for who waits, the audit trail, a failure when rows must not stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.loads.load import load_table
from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.model.errors import DataQualityError
from groundwork.operators import connections
from groundwork.operators.quarantine import ReplayQuarantineOperator
from groundwork.store.audit import AuditTrail
from tests.cli.test_load import BROKEN, days, environment, make_project
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


class Events(dict[Any, Any]):
    """What a task announces, as Airflow's context takes it."""

    def __missing__(self, key: Any) -> Events:
        return self

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        """Keep one event."""
        self.setdefault("kept", []).append((asset.name, extra))


class Instance:
    """The task instance, as far as an actor's name needs it."""

    dag_id, run_id, task_id = "corrections", "manual", "replay"


@pytest.fixture
def project(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path, database)
    for name, value in environment(folder, database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(connections, "engine", lambda _: database.engine)
    (folder / "data" / "orders.csv").write_text(BROKEN)
    domain = pipeline_domain(folder / "governance" / "contracts", "shop", "orders")
    load_table(database.engine, domain, domain.table("orders"), project=folder, run_id="first")
    return folder


def replay(events: Events, **options: Any) -> dict[str, Any]:
    operator = ReplayQuarantineOperator(task_id="replay", domain="shop", table="orders", **options)
    context: Any = {"run_id": "manual", "ti": Instance(), "outlet_events": events}
    return operator.run(context)


def test_rows_come_in_once(project: Path, database: Database) -> None:
    events = Events()
    told = replay(events, values={"number": "4"}, must_clear=True)
    assert (told["selected"], told["replayed"]) == (1, 1)
    assert days(database)[-1] == "2026-01-04"
    assert events["kept"] == [("shop.orders", {"replayed": 1})]
    assert replay(Events())["selected"] == 0
    event = AuditTrail(database.engine).latest()[-1]
    assert (event["actor"], event["details"]["columns"]) == ("airflow:corrections/manual/replay", ["number"])


def test_what_must_not_stay_fails_the_task(project: Path, database: Database) -> None:
    with pytest.raises(DataQualityError, match="rows stay in quarantine"):
        replay(Events(), load_id="None", reason="type:number", must_clear=True)
    assert len(days(database)) == 3
