"""The watcher of a stream and the Dag that it wakes."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import AssetOrTimeSchedule
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from sqlalchemy import make_url

from groundwork.flow.capture import ledger
from groundwork.model.errors import ConfigError, RetriableError
from groundwork.operators import connections
from groundwork.operators.capture import DrainStreamOperator, stream_dags
from groundwork.operators.capture_trigger import StreamTrigger
from tests.fix_postgres import Database
from tests.flow.capture.shop import Shop, contract
from tests.patience import until

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_DAGS = Path(__file__).resolve().parents[2] / "dags"
_LOOKS = 5  # what the last one finds may not be told any more


@pytest.fixture
def shop(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    folder = tmp_path / "governance" / "contracts"
    folder.mkdir(parents=True)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setattr(connections, "url", lambda _: make_url(database.url))
    monkeypatch.setattr(connections, "engine", lambda _: database.engine)
    made = Shop(database=database, folder=folder, url=make_url(database.url))
    yield made
    made.remove()


class _Events(dict[Any, Any]):
    """Where a task says what it changed."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, dict[str, Any]]] = []

    def __missing__(self, _: Any) -> _Events:
        return self

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.told.append((asset.name, extra))


def _drain(events: _Events | None = None) -> dict[str, Any]:
    task = DrainStreamOperator(task_id="drain", domain="shop", source_connection_id="shop_db")
    context: Any = {"run_id": "test", "outlet_events": events if events is not None else _Events()}
    found: dict[str, Any] = task.execute(context)
    return found


def _events(trigger: StreamTrigger, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the watcher tells while it looks a few times."""
    found: list[dict[str, Any]] = []
    begun, ended = [], []
    for name in ("look", "guard"):
        original = getattr(trigger, name)

        def counted(name: str = name, original: Callable[[], Any] = original) -> Any:
            begun.append(name)
            try:
                return original()
            finally:
                ended.append(name)

        monkeypatch.setattr(trigger, name, counted)

    async def listen() -> None:
        async for event in trigger.run():
            found.append(event.payload)

    async def watch() -> None:
        task = asyncio.create_task(listen())
        while ended.count("look") < _LOOKS and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(watch())
    assert ended.count("look") >= _LOOKS, "the watcher gave up"
    until(lambda: len(begun) == len(ended), "the end of a look that was under way")  # it has its connections
    return found


def _trigger(**options: Any) -> StreamTrigger:
    return StreamTrigger(stream="shop.shop_db", source_connection_id="shop_db", poll_seconds=0.05, **options)


def test_the_watcher_fires_once_per_position_and_is_silent_when_nothing_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwork.operators.capture_trigger._REMIND_SECONDS", 3600.0)
    assert _events(_trigger(), monkeypatch) == [
        {"stream": "shop.shop_db", "waiting": "the stream begins with a snapshot"}
    ]
    _drain()
    assert _events(_trigger(), monkeypatch) == []
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    assert _events(_trigger(), monkeypatch) == [{"stream": "shop.shop_db", "waiting": "1 changes"}]
    _drain()
    assert shop.differences() == []
    assert _events(_trigger(), monkeypatch) == []


def test_the_watcher_reminds_while_nobody_drains(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.operators.capture_trigger._REMIND_SECONDS", 0.0)
    assert shop.stream.name == "shop.shop_db"
    assert len(_events(_trigger(), monkeypatch)) > 1


def test_the_watcher_outlives_a_source_that_is_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.stream.name == "shop.shop_db"
    answers: list[Exception | None] = [RetriableError("away"), RetriableError("away"), None]

    def look(_: StreamTrigger) -> tuple[str, str] | None:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is not None:
            raise answer
        return "here", "changes"

    monkeypatch.setattr(StreamTrigger, "look", look)
    monkeypatch.setattr("groundwork.operators.capture_trigger._REMIND_SECONDS", 3600.0)
    assert _events(_trigger(), monkeypatch) == [{"stream": "shop.shop_db", "waiting": "changes"}]


def test_the_watcher_measures_and_guards(shop: Shop) -> None:
    _drain()
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    trigger = _trigger()
    trigger.guard()
    assert shop.rows("SELECT lag ->> 'rows_behind', measured_at IS NOT NULL FROM groundwork_flow.stream") == [
        ("1", True)
    ]
    shop.run("UPDATE groundwork_flow.stream SET heartbeat_at = now() - interval '9 days'")
    trigger.guard()
    assert shop.value("SELECT count(position) FROM groundwork_flow.stream") == 0


def test_a_drain_tells_what_changed(shop: Shop) -> None:
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    events = _Events()
    assert _drain(events)["had_snapshot"]
    assert events.told == [("shop.customers", {"read": 1, "loaded": 1})]
    events = _Events()
    assert _drain(events)["changes"] == 0
    assert events.told == []


def test_a_drain_of_a_stopped_stream_is_skipped(shop: Shop) -> None:
    _drain()
    with shop.database.engine.begin() as connection:
        ledger.change(connection, "shop.shop_db", is_wanted=False)
    with pytest.raises(AirflowSkipException):
        _drain()
    assert _trigger().look() is None


def test_the_trigger_is_made_anew_from_what_it_tells() -> None:
    trigger = _trigger(connection_id="other")
    path, arguments = trigger.serialize()
    assert path == "groundwork.operators.capture_trigger.StreamTrigger"
    assert StreamTrigger(**arguments).serialize() == (path, arguments)


def test_each_stream_has_a_dag(shop: Shop) -> None:
    shop.declare({"connection": "first"}, {"connection": "second"})
    dags = stream_dags()
    assert sorted(dags) == ["stream_shop_first", "stream_shop_second"]
    dag = dags["stream_shop_first"]
    assert isinstance(dag.timetable, AssetOrTimeSchedule)
    assert dag.max_active_runs == 1
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == ["drain"]


def test_a_broken_stream_is_an_import_error_in_a_file_without_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    place = tmp_path / "governance" / "contracts" / "shop" / "shop.odcs.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(yaml.safe_dump(contract({"connection": "a"}, {"connection": "b", "limit_bytes": 0})))
    assert "stream_shop_a" in runpy.run_path(str(_DAGS / "streams.py"))
    with pytest.raises(ConfigError, match=r"1 declarations of streams are broken") as error:
        runpy.run_path(str(_DAGS / "stream_errors.py"))
    assert "1. shop.b: the stream's `limit_bytes`" in str(error.value)
    assert "where: shop.orders" in str(error.value)
    place.write_text(yaml.safe_dump(contract({"connection": "a"}, {"connection": "b"})))
    runpy.run_path(str(_DAGS / "stream_errors.py"))
