"""The health score with its parts, and a whole look at real databases: measured, judged, warned, cleared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event, text

from groundwork.flow.capture import ledger as streams
from groundwork.model.checks import Check, CheckResult
from groundwork.model.fault import StrikeAction
from groundwork.model.health import State
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.orbt.health import score as parts_of
from groundwork.orbt.health.health import health_of, surroundings, whole_health
from groundwork.orbt.health.pipeline_health import PipelineHealth
from groundwork.orbt.health.score import WEIGHTS, Part, score
from groundwork.orbt.health.subjects import PipelineKind, watched_pipelines
from groundwork.orbt.health.watch import Watched, watch
from groundwork.quality.score import score_table
from groundwork.store.breaker import Breakers
from groundwork.store.foundation import FoundationRuns
from groundwork.store.health import HealthRecords
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from tests.fix_postgres import Database
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import NOW, PIPELINE, PRICES

SHARES = st.one_of(st.none(), st.floats(0, 1))


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def look(store: Database, home: Path, warehouse: Engine | None = None, *, hours: float = 0) -> Watched:
    databases = {"groundwork_store": store.engine, "warehouse": warehouse or store.engine}
    now = NOW + timedelta(hours=hours)
    return watch(store.engine, databases, "warehouse", [books.market()], home=home, now=now)


def prices(store: Database) -> PipelineHealth:
    found = health_of(store.engine, store.engine, books.market(), NOW)
    return next(each for each in found.pipelines if each.pipeline.name == PIPELINE)


def shares(health: PipelineHealth) -> dict[str, float | None]:
    return {part.name: part.share for part in health.parts}


@given(found=st.lists(SHARES, min_size=6, max_size=6))
def test_a_score_lies_between_its_parts_and_only_what_ran_has_one(found: list[float | None]) -> None:
    parts = [Part(name=name, share=share, told="") for name, share in zip(WEIGHTS, found, strict=True)]
    made = score(parts)
    measured = [share for share in found if share is not None]
    if all(share is None for share in found[:3]):
        assert made is None
    else:
        assert made is not None
        assert 100 * min(measured) - 0.1 <= made <= 100 * max(measured) + 0.1


def test_the_weights_are_a_whole() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("part", "share"),
    [
        (parts_of.success(9, 1), 0.9),
        (parts_of.success(0, 0), None),
        (parts_of.freshness(3600, 7200), 1.0),
        (parts_of.freshness(10_800, 7200), 0.5),
        (parts_of.freshness(100_000, 7200), 0.0),
        (parts_of.freshness(None, 7200), None),
        (parts_of.freshness(3600, None), None),
        (parts_of.quality(99.5), 0.995),
        (parts_of.trouble(1, 0, "x"), 0.5),
        (parts_of.trouble(1, 1, "x"), 0.0),
        (parts_of.trouble(0, 0, "stopped"), 0.0),
        (parts_of.trouble(0, 0, None), 1.0),
        (parts_of.warned(0), 1.0),
        (parts_of.warned(1), 0.5),
        (parts_of.warned(5), 0.0),
        (parts_of.breaker({}), 1.0),
        (parts_of.breaker({"a": "half_open"}), 0.5),
        (parts_of.breaker({"a": "half_open", "b": "open"}), 0.0),
    ],
)
def test_each_part_is_a_share_of_what_it_measures(part: Part, share: float | None) -> None:
    assert part.share == (None if share is None else pytest.approx(share))
    assert part.told


def test_pipelines_are_those_that_contracts_declare() -> None:
    found = watched_pipelines(books.market())
    assert [each.kind for each in found] == [PipelineKind.FOUNDATION, *[PipelineKind.LOAD] * 9]
    one = next(each for each in found if each.name == PIPELINE)
    assert (one.datasets, one.connections, one.promise_seconds) == ((PRICES,), ("warehouse",), 7 * 86_400)


@pytest.mark.postgres
def test_before_anything_ran_there_is_no_score(store: Database) -> None:
    found = health_of(store.engine, store.engine, books.market(), NOW)
    assert len(found.pipelines) == 10
    assert {each.score for each in found.pipelines} == {None}
    assert {each.situation.state for each in found.pipelines} == {State.BUILD}


@pytest.mark.postgres
def test_a_score_comes_from_its_parts(store: Database) -> None:
    books.loads(store.engine, 9)
    check = Check(
        id="c",
        schema="market",
        table="stock_prices",
        columns=("volume",),
        kind=CheckKind.EXPRESSION,
        dimension=Dimension.VALIDITY,
    )
    result = CheckResult(
        check=check, passed=False, engine="sql", expected="x", observed="y", failing_count=20, row_count=100
    )
    QualityResults(store.engine).record("r", "market", "scheduled", [result], [score_table([result])])
    books.strike(store.engine)
    Breakers(store.engine).hold("connection:warehouse", "a drill")
    found = prices(store)
    assert shares(found) == {
        "success": pytest.approx(0.9),
        "freshness": 1.0,
        "quality": pytest.approx(0.8),
        "trouble": 0.5,
        "warnings": 1.0,
        "breaker": 0.0,
    }
    assert found.score == pytest.approx(100 * (0.27 + 0.2 + 0.12 + 0.075 + 0.1 + 0), abs=0.1)
    assert found.breakers == {"connection:warehouse": "open"}
    assert found.situation.state is State.REPAIR


@pytest.mark.postgres
def test_an_incident_takes_the_whole_part_and_declared_pipelines_come_first(store: Database) -> None:
    books.loads(store.engine, 8)
    books.strike(store.engine, action=StrikeAction.ASK_PERSON, try_number=3)
    books.incident(store.engine)
    books.strike(store.engine, dag_id="governance", run_id="g1")
    assert shares(prices(store))["trouble"] == 0.0
    found = whole_health(store.engine, store.engine, [books.market()], NOW).pipelines
    assert [each.pipeline.kind for each in found] == [
        PipelineKind.FOUNDATION, *[PipelineKind.LOAD] * 9, PipelineKind.OTHER,
    ]  # fmt: skip
    assert (found[-1].pipeline.name, found[-1].situation.state) == ("governance", State.REPAIR)


@pytest.mark.postgres
def test_strikes_count_where_they_struck_whichever_dag_loaded_the_table(store: Database) -> None:
    books.loads(store.engine, 8)
    books.strike(store.engine, dag_id="data_foundation", table=PRICES)
    books.strike(store.engine, dag_id="data_foundation", table="market.orders", run_id="r2")
    assert shares(prices(store))["success"] == pytest.approx(8 / 9)
    found = health_of(store.engine, store.engine, books.market(), NOW).pipelines[0]
    assert shares(found)["success"] == 0.0


@pytest.mark.postgres
def test_a_look_measures_runs_once_and_databases_each_time(store: Database, tmp_path: Path) -> None:
    books.loads(store.engine, 5, seconds=42, read=120)
    books.loads(store.engine, 3, table="orders", is_trial=True)
    newest = (NOW - timedelta(hours=1)).isoformat()
    books.strike(store.engine, run_id=f"stock_prices-{newest}")
    first = look(store, tmp_path)
    assert first.problems == ()
    records = HealthRecords(store.engine)
    own = records.recent([PIPELINE], limit=10)
    assert [each.value for each in own[PIPELINE, "run_seconds"]] == [42.0] * 5
    assert [each.value for each in own[PIPELINE, "run_rows"]] == [120.0] * 5
    assert [each.value for each in own[PIPELINE, "run_strikes"]] == [0.0, 0.0, 0.0, 0.0, 1.0]
    subjects = {subject for subject, _ in records.newest()}
    assert subjects == {PIPELINE, "database:warehouse", "database:groundwork_store", "disk:home"}
    around = surroundings(store.engine).series
    used = around["database:warehouse", "connections"][-1]
    assert used.limit is not None
    assert 1 <= used.value < used.limit
    assert around["database:warehouse", "database_bytes"][-1].value > 1_000_000
    disk = around["disk:home", "disk_used_bytes"][-1]
    assert disk.limit is not None
    assert 0 < disk.value < disk.limit
    again = look(store, tmp_path)
    assert again.measured == 0
    assert look(store, tmp_path, hours=1).measured == 5


@pytest.mark.postgres
def test_a_run_whose_parts_are_not_all_done_and_a_stopped_one_are_not_measured(store: Database, tmp_path: Path) -> None:
    books.loads(store.engine, 2)
    books.loads(store.engine, 1, until=NOW, run_id="parts")
    books.loads(store.engine, 1, until=NOW, run_id="parts", state="running", finished_at=None)
    books.loads(store.engine, 1, until=NOW, run_id="stopped", state="stopped")
    look(store, tmp_path)
    assert len(HealthRecords(store.engine).recent([PIPELINE], limit=10)[PIPELINE, "run_seconds"]) == 2


@pytest.mark.postgres
def test_the_parts_of_a_run_are_one_measurement(store: Database, tmp_path: Path) -> None:
    for minutes in (30, 10):
        books.loads(store.engine, 1, until=NOW - timedelta(minutes=minutes), run_id="parts", seconds=60)
    look(store, tmp_path)
    own = HealthRecords(store.engine).recent([PIPELINE], limit=10)
    assert [each.value for each in own[PIPELINE, "run_seconds"]] == [21 * 60.0]
    assert [each.value for each in own[PIPELINE, "run_rows"]] == [200.0]


@pytest.mark.postgres
def test_the_foundation_is_measured_by_its_runs(store: Database, tmp_path: Path) -> None:
    runs = FoundationRuns(store.engine)
    runs.start("f1", "market", "warehouse", is_dry_run=False)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.foundation_run SET started_at = :at"), {"at": NOW})
    runs.finish("f1", is_success=True)
    with store.engine.begin() as connection:
        ended = {"at": NOW + timedelta(minutes=7)}
        connection.execute(text("UPDATE groundwork.foundation_run SET finished_at = :at"), ended)
    look(store, tmp_path, hours=1)
    own = HealthRecords(store.engine).recent(["data_foundation.market"], limit=10)
    assert [each.value for each in own["data_foundation.market", "run_seconds"]] == [420.0]


@pytest.mark.postgres
def test_a_stream_is_measured_as_its_watcher_left_it(store: Database, tmp_path: Path) -> None:
    with store.engine.begin() as connection:
        streams.register(connection, "market.crm", 1000, 60)
        streams.keep_lag(connection, "market.crm", {"seconds_behind": 12.5, "kept_bytes": 950})
        connection.execute(text("UPDATE groundwork_flow.stream SET measured_at = :at"), {"at": NOW})
    look(store, tmp_path)
    own = HealthRecords(store.engine).recent(["stream:market.crm"], limit=5)
    lag, kept = own["stream:market.crm", "lag_seconds"][-1], own["stream:market.crm", "kept_bytes"][-1]
    assert (lag.value, lag.limit, lag.at) == (12.5, None, NOW)
    assert (kept.value, kept.limit) == (950.0, 1000.0)


@pytest.mark.postgres
def test_growing_runs_are_warned_of_once_and_cleared_when_they_are_quiet_again(store: Database, tmp_path: Path) -> None:
    for day in range(28):
        ended = NOW - timedelta(days=28 - day)
        books.loads(store.engine, 1, until=ended, seconds=60 + 10 * day)
    first = look(store, tmp_path)
    assert [each.metric for each in first.warnings] == ["run_seconds"]
    assert "duration of a run grows by 10.0 s a day" in first.warnings[0].told
    assert len(first.kept.opened) == 1
    assert look(store, tmp_path, hours=1).kept.opened == ()
    found = prices(store)
    assert len(found.warnings) == 1
    assert shares(found)["warnings"] == 0.5
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.measurement SET value = 60 WHERE metric = 'run_seconds'"))
    assert len(look(store, tmp_path, hours=2).kept.cleared) == 1
    assert prices(store).warnings == ()


@pytest.mark.postgres
def test_without_the_warehouse_the_rest_is_measured_and_it_is_told(store: Database, tmp_path: Path) -> None:
    nowhere = create_engine("postgresql+psycopg://secretive:sesame@127.0.0.1:1/nothing")
    seen = look(store, tmp_path, nowhere)
    assert seen.problems == (
        "the runs of market could not be measured (OperationalError)",
        "streams could not be measured (OperationalError)",
        "the database of `warehouse` could not be measured (OperationalError)",
    )
    assert {subject for subject, _ in HealthRecords(store.engine).newest()} == {
        "database:groundwork_store",
        "disk:home",
    }
    found = health_of(store.engine, nowhere, books.market(), NOW)
    assert found.datasets[PRICES].state is State.REPAIR


@pytest.mark.postgres
def test_the_number_of_queries_does_not_grow_with_pipelines(store: Database) -> None:
    books.all_loaded(store.engine, 20)
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    health_of(store.engine, store.engine, books.market(), NOW)
    assert len(statements) <= 22, statements
