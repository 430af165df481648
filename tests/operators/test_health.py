"""The look at health as Airflow runs it: real connections, a real database, people told once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.store.base import utc_now
from groundwork.store.health import HealthRecords
from tests.orbt.health import health_books as books

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


def growing(warehouse: Engine) -> None:
    """Four weeks of loads, each ten seconds longer than the one before."""
    now = utc_now()
    for day in range(28):
        books.loads(warehouse, 1, until=now - timedelta(days=28 - day), seconds=60 + 10 * day)


def run() -> dict[str, Any]:
    from groundwork.operators.health import WatchHealthOperator

    found = WatchHealthOperator(task_id="watch").execute({})
    told: dict[str, Any] = json.loads(json.dumps(found))
    return told


def test_it_measures_warns_and_tells_people_once(store: Engine) -> None:
    growing(store)
    first = run()
    assert first["problems"] == []
    assert first["measured"] >= 3 * 28
    assert (first["new"], first["told"]) == (1, 1)
    assert first["warnings"][0].startswith("load_market__stock_prices: duration of a run grows by 10.0 s a day")
    second = run()
    assert (second["new"], second["told"], len(second["warnings"])) == (0, 0, 1)
    with store.connect() as connection:
        rows = connection.execute(text("SELECT event, channel, state, message FROM groundwork.notification")).all()
    assert [(row.event, row.channel, row.state) for row in rows] == [("early_warning", "log", "sent")]
    assert (rows[0].message["domain"], rows[0].message["urgency"]) == ("market", "medium")
    assert rows[0].message["facts"]["metric"] == "run_seconds"


def test_a_warning_that_could_not_be_told_is_told_with_the_next_look(
    store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing(store)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no channel at all")

    with monkeypatch.context() as broken:
        broken.setattr("groundwork.operators.incidents.notify.deliver", fail)
        assert run()["told"] == 0
    assert len(HealthRecords(store).untold()) == 1
    assert run()["told"] == 1
    assert HealthRecords(store).untold() == []


def test_contracts_that_cannot_be_read_hold_nothing_up(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "governance" / "contracts"
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "one.odcs.yaml").write_text("schema: [\n")
    (tmp_path / "governance" / "policies").mkdir()
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    found = run()
    assert len(found["problems"]) == 1
    assert found["problems"][0].startswith("the contracts of broken cannot be read")
    assert found["measured"] > 0


def test_without_the_store_airflow_is_told_to_try_again(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    from groundwork.operators import connections
    from groundwork.operators.health import WatchHealthOperator

    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", "postgres://a:b@127.0.0.1:1/x")
    with pytest.raises(OperationalError):
        WatchHealthOperator(task_id="watch", store_connection_id="nowhere").execute({})
    connections.engine("nowhere").dispose()
