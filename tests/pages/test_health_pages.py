"""The page `Health` and the page of a pipeline, filled from a real store and warehouse."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.model.health import EarlyWarning, Measurement, WarningKind
from groundwork.pages import render
from groundwork.pages.charts import value_line
from groundwork.pages.dataset import collect_dataset
from groundwork.pages.health_page import collect_health, collect_pipeline
from groundwork.pages.health_view import PipelineLine, StateView
from groundwork.pages.overview import collect_overview
from groundwork.pages.sources import Sources
from groundwork.store.base import utc_now
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.health import HealthRecords
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import PIPELINE, PRICES
from tests.pages.fix_server import OUTSIDER, PROJECT, Server

pytestmark = pytest.mark.postgres
CONTRACTS = PROJECT / "governance" / "contracts"
HOSTILE = "<script>alert('x')</script>"
DAY = timedelta(days=1)


def measured(
    metric: str, at: datetime, value: float, *, subject: str = PIPELINE, limit: float | None = None
) -> Measurement:
    return Measurement(subject=subject, metric=metric, at=at, value=value, limit=limit)


def fill(store: Engine, warehouse: Engine) -> None:
    """Something in every part of both pages: all states but build, an open breaker, warnings, series with limits."""
    now = utc_now()
    for table in books.market().tables:
        if table.name != "orders":
            books.loads(warehouse, 9 if table.name != "strategies" else 2, table=table.name, until=now)
    books.strike(store, at=now)
    Breakers(store).hold("connection:warehouse", "a drill")
    days = [now - (30 - day) * DAY for day in range(30)]
    own_series = [
        *(measured("run_seconds", at, 60.0 + 3 * day, limit=200.0) for day, at in enumerate(days)),
        *(measured("run_rows", at, 12_000.0 + day % 3) for day, at in enumerate(days)),
    ]
    disk = [
        measured("disk_used_bytes", now - number * DAY / 24, 5e10 - number * 1e8, subject="disk:home", limit=1e11)
        for number in range(40)
    ]
    records = HealthRecords(store)
    records.add([*own_series, *disk])
    told = "duration of a run grows by 3.0 s a day over 27 days, from 1.0 min to 2.4 min"
    own = EarlyWarning(
        subject=PIPELINE,
        metric="run_seconds",
        kind=WarningKind.TREND,
        told=told,
        value=147.0,
        limit=200.0,
        forecast_at=now + 17 * DAY,
    )
    around = EarlyWarning(
        subject="disk:home", metric="disk_used_bytes", kind=WarningKind.TREND, told="disk in use grows", value=5e10
    )
    gone = EarlyWarning(subject=PIPELINE, metric="run_rows", kind=WarningKind.STEP, told="rows jumped", value=1.0)
    records.keep([own, around, gone], set(), now)
    records.keep([own, around], {(PIPELINE, "run_rows")}, now)


@pytest.fixture
def sources(database: Database) -> Sources:
    migrate(database.engine)
    return Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)


def html(template: str, page: object) -> str:
    return render.page(template, base="/groundwork", version="1", domain_names=("market",), page=page)


def everybody(_: str) -> bool:
    return True


def test_before_anything_was_measured_the_page_says_what_to_do(sources: Sources) -> None:
    page = collect_health(sources, everybody)
    made = html("health.html", page)
    assert page.count("build") == 9
    assert "Nothing was measured yet." in made
    assert "The Dag <code>health</code> measures every ten minutes." in made
    assert "it was never loaded" in made
    detail = collect_pipeline(sources, PIPELINE)
    assert "nothing ran yet" in html("health_pipeline.html", detail)


def test_every_pipeline_has_state_breaker_score_warnings_and_trend(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    page = collect_health(sources, everybody)
    assert [page.count(state) for state in ("repair", "build", "training", "operating")] == [1, 1, 1, 6]
    lines = {line.name: line for line in page.pipelines.content or ()}
    assert len(lines) == 10
    one = lines[PIPELINE]
    assert (one.state.state, one.breaker, len(one.warnings)) == ("repair", "open", 1)
    assert one.trend is not None
    assert (one.trend.metric, one.trend.newest, one.trend.limit) == ("run_seconds", "2.5 min", 200.0)
    assert one.score is not None
    assert 60 < one.score < 90
    made = html("health.html", page)
    for words in (
        "disk in use grows",
        "duration of a run grows by 3.0 s a day",
        "in 16 d",
        "/dags/load_market__orders",
    ):
        assert words in made
    assert made.count('class="sparkline"') == 2


def test_what_is_in_repair_comes_first_then_what_is_shut_off_or_scored_poorly_then_names(
    sources: Sources, database: Database
) -> None:
    fill(database.engine, database.engine)
    books.strike(database.engine, dag_id="zz_dag", domain="zz_dag", at=utc_now())
    page = collect_health(sources, everybody)
    names = [line.name for line in page.shown_pipelines]
    by_name = {line.name: line for line in page.pipelines.content or ()}
    assert set(names) == set(by_name), "nothing is left out"
    ranks = [by_name[name].rank for name in names]
    assert ranks == sorted(ranks)
    assert {0, 1} <= set(ranks)
    assert all(one < two for one, two in pairwise(names) if by_name[one].rank == by_name[two].rank)
    in_repair = {name for name, line in by_name.items() if line.state.state == "repair"}
    assert set(names[: len(in_repair)]) == in_repair
    assert "zz_dag" in in_repair
    made = html("health.html", page)
    assert made.index("/ui/health/zz_dag") < made.index("/ui/health/load_market__dividend_aristocrats")


@pytest.mark.parametrize(
    ("changed", "rank", "needs"),
    [
        ({}, 2, False),
        ({"breaker": "open", "score": 100.0}, 1, True),
        ({"breaker": "half-open"}, 1, True),
        ({"score": 69.9}, 1, True),
        ({"score": 70.0}, 2, False),
        ({"score": None}, 2, False),
        ({"state": "repair", "breaker": "open"}, 0, True),
        ({"state": "build"}, 2, False),
        ({"warnings": (None,)}, 2, True),
    ],
    ids=str,
)
def test_what_needs_somebody(changed: dict[str, Any], rank: int, *, needs: bool) -> None:
    state = StateView(subject="p", state=changed.pop("state", "operating"), reason="", since=None)
    line = PipelineLine(
        **{
            "name": "p", "dag_id": "p", "domain": "market", "kind": "table", "datasets": (), "state": state,
            "score": 95.0, "parts": (), "breaker": "closed", "breakers": {}, "warnings": (), "trend": None,
            "series": (), **changed,
        }
    )  # fmt: skip
    assert (line.rank, line.needs_somebody) == (rank, needs)


def test_only_what_needs_somebody_is_shown_when_asked_and_tiles_stay(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    Breakers(database.engine).close("connection:warehouse", "the drill is over")
    books.strike(database.engine, dag_id="zz_dag", domain="zz_dag", at=utc_now())
    every, needy = (collect_health(sources, everybody, is_narrowed=flag) for flag in (False, True))
    assert {each.name for each in needy.shown_pipelines} == {
        each.name for each in every.shown_pipelines if each.needs_somebody
    }
    assert {PIPELINE, "zz_dag"} <= {each.name for each in needy.shown_pipelines}
    assert len(needy.shown_pipelines) < len(every.shown_pipelines)
    assert {each.state for each in needy.shown_datasets} == {"repair"}
    assert [needy.count(state) for state in ("repair", "operating")] == [
        every.count(state) for state in ("repair", "operating")
    ]
    made = html("health.html", needy)
    assert f"{len(needy.shown_pipelines)} of {len(every.shown_pipelines)};" in made
    assert 'href="/groundwork/ui/health">All' in made


def test_where_nothing_needs_somebody_it_says_so_and_never_without_a_store(sources: Sources) -> None:
    made = html("health.html", collect_health(sources, everybody, is_narrowed=True))
    assert "No pipeline needs somebody." in made
    assert "No dataset is in repair." in made
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    gone = Sources(store=lambda: nowhere, warehouse=lambda: nowhere, contracts=CONTRACTS)
    assert "needs somebody.<" not in html("health.html", collect_health(gone, everybody, is_narrowed=True))


def test_the_page_of_a_pipeline_shows_the_formula_the_series_and_the_history(
    sources: Sources, database: Database
) -> None:
    fill(database.engine, database.engine)
    page = collect_pipeline(sources, PIPELINE)
    assert page is not None
    assert [each.subject for each in page.datasets] == [PRICES]
    made = html("health_pipeline.html", page)
    for words in (
        "Σ weight · share",
        "9 of 10 tries in 30 days",
        "rows jumped",
        "cleared",
        "open: connection:warehouse",
    ):
        assert words in made
    assert made.count('class="sparkline trend"') == 2
    assert made.count('class="limit"') == 1
    assert collect_pipeline(sources, "nothing") is None


def test_dags_that_somebody_may_not_see_are_left_out_with_their_warnings(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    page = collect_health(sources, lambda dag_id: dag_id != PIPELINE)
    assert PIPELINE not in html("health.html", page)
    assert [each.subject for each in page.warnings.content or ()] == ["disk:home"]


def test_a_dag_of_a_team_has_a_line_and_a_page_for_those_who_may_see_it(sources: Sources, database: Database) -> None:
    books.strike(database.engine, dag_id="team_dag", domain="team_dag", at=utc_now())
    page = collect_health(sources, everybody)
    line = next(each for each in page.shown_pipelines if each.name == "team_dag")
    assert (line.name, line.state.state, line.score) == ("team_dag", "repair", None)
    made = html("health.html", page)
    assert "/ui/health/team_dag" in made
    assert "/dags/team_dag" in made
    detail = html("health_pipeline.html", collect_pipeline(sources, "team_dag"))
    assert "Healed Dag that no contract declares" in detail
    assert "what succeeds is not counted yet" in detail
    assert "1 strikes in 30 days, 0 of them healed" in detail
    assert "team_dag" not in html("health.html", collect_health(sources, lambda dag_id: dag_id != "team_dag"))


def test_every_breaker_that_is_not_closed_is_shown_with_its_next_probe(sources: Sources, database: Database) -> None:
    assert "Breakers" not in html("health.html", collect_health(sources, everybody))
    breakers, rule = Breakers(database.engine), BreakerRule(threshold=1, cool_down_seconds=3600)
    breakers.failed("connection:nobodys", by="team_dag/r/t/-1#1", rule=rule, reason=f"poison_data: {HOSTILE}")
    breakers.hold("connection:warehouse", "ann: a drill")
    page = collect_health(sources, everybody)
    found = {each.target: each for each in page.breakers.content or ()}
    assert (found["connection:nobodys"].state, found["connection:nobodys"].is_held) == ("open", False)
    assert found["connection:nobodys"].next_probe_at is not None
    assert (found["connection:warehouse"].next_probe_at, found["connection:warehouse"].is_held) == (None, True)
    made = html("health.html", page)
    for words in (
        "connection:nobodys",
        "&lt;script&gt;",
        "next probe <time",
        "until a person closes it",
        "ann: a drill",
    ):
        assert words in made
    assert HOSTILE not in made
    hidden = collect_health(sources, lambda dag_id: dag_id != "team_dag")
    assert [each.reason for each in hidden.breakers.content or ()] == ["poison_data", "ann: a drill"]


def test_dataset_and_overview_bear_the_state(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    dataset = collect_dataset(sources, "market", "stock_prices", with_raw=False)
    assert dataset.state is not None
    assert dataset.state.state == "repair"
    assert "strike 1 (connection_failures)" in html("dataset.html", dataset)
    overview = collect_overview(sources)
    state = overview.domains[0].state
    assert state is not None
    assert state.state == "repair"


def test_hostile_text_stays_text(sources: Sources, database: Database) -> None:
    bad = EarlyWarning(subject=PIPELINE, metric=HOSTILE, kind=WarningKind.STEP, told=HOSTILE, value=1.0)
    HealthRecords(database.engine).keep([bad], set(), utc_now())
    HealthRecords(database.engine).add(
        [Measurement(subject=f"disk:{HOSTILE}", metric=HOSTILE, at=utc_now(), value=1.0)]
    )
    for made in (
        html("health.html", collect_health(sources, everybody)),
        html("health_pipeline.html", collect_pipeline(sources, PIPELINE)),
    ):
        assert HOSTILE not in made
        assert "&lt;script&gt;" in made


def test_without_databases_the_page_says_so(sources: Sources) -> None:
    nowhere = create_engine("postgresql+psycopg://secretive:sesame@127.0.0.1:1/nothing")
    both = collect_health(Sources(store=lambda: nowhere, warehouse=lambda: nowhere, contracts=CONTRACTS), everybody)
    made = html("health.html", both)
    assert "store does not answer" in made
    assert "secretive" not in made
    assert made.count("unknown") == 4, "every tile"
    assert "nothing fails" not in made
    assert "no early warning" not in made
    half = collect_health(Sources(store=sources.store, warehouse=lambda: nowhere, contracts=CONTRACTS), everybody)
    assert half.count("repair") == 9
    assert "the warehouse does not answer" in html("health.html", half)


@pytest.mark.parametrize(
    ("values", "limit", "lines"), [([], None, 0), ([0.0], 1.0, 0), ([5.0, 9.0], 10.0, 1), ([5.0], 99.0, 0)]
)
def test_a_limit_is_drawn_while_it_is_close(values: list[float], limit: float | None, lines: int) -> None:
    assert value_line(values, ("9", "0"), limit, "amounts").count('class="limit"') == lines


@pytest.mark.airflow
@pytest.mark.slow
def test_who_sees_what_in_airflow(airflow_server: Server) -> None:
    fill(airflow_server.store, airflow_server.warehouse)
    paths = ("/groundwork/ui/health", f"/groundwork/ui/health/{PIPELINE}")
    with airflow_server.client() as anonymous:
        assert [anonymous.get(path, headers={"Accept": "application/json"}).status_code for path in paths] == [401, 401]
    with airflow_server.client(OUTSIDER) as outsider:
        assert [outsider.get(path).status_code for path in paths] == [403, 403]
    with airflow_server.client("viewer") as viewer:
        assert [viewer.get(path).status_code for path in paths] == [200, 200]
        assert viewer.get("/groundwork/ui/health/data_foundation.market").status_code == 200
        assert viewer.get("/groundwork/ui/health/nothing").status_code == 404
        assert "needs somebody" in viewer.get("/groundwork/ui/health?show=needy").text
        assert viewer.get("/groundwork/ui/health?show=").status_code == 200
        assert viewer.get("/groundwork/ui/health?show=everything").status_code == 422
        assert viewer.post(paths[0]).status_code == 405
