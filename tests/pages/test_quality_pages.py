"""The page `Quality` and the page of a dataset, filled from a real store and warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.flow.ledger import LOAD, QUARANTINE
from groundwork.foundation.release.gates import decide
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.pages import render
from groundwork.pages.charts import trend_line
from groundwork.pages.dataset import collect_dataset
from groundwork.pages.quality_page import collect_quality
from groundwork.pages.quality_view import Filter
from groundwork.pages.sources import Sources
from groundwork.quality.score import score_table
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from groundwork.store.release import Releases
from tests.fix_postgres import Database
from tests.pages import seed
from tests.pages.fix_server import OUTSIDER, PROJECT, Server

pytestmark = pytest.mark.postgres
CONTRACTS = PROJECT / "governance" / "contracts"
SECRET = "somebody@example.org"


def measured(store: Engine, run_id: str, failing: Mapping[Dimension, int], table: str = "stock_prices") -> None:
    """One measurement with a check per dimension, of 100 rows each; failing ones carry a masked sample."""
    results = [
        CheckResult(
            check=Check(
                id=f"market.{table}.{dimension}",
                schema="market",
                table=table,
                columns=("volume",),
                kind=CheckKind.EXPRESSION,
                dimension=dimension,
            ),
            passed=not count,
            engine="sql",
            expected=f"{dimension} as promised",
            observed=f"{count} of 100 rows fail",
            failing_count=count,
            row_count=100,
            sample=({"ticker": "IBM", "volume": "•••"},) if count else (),
        )
        for dimension, count in failing.items()
    ]
    QualityResults(store).record(run_id, "market", "scheduled", results, [score_table(results)])


def quarantined(warehouse: Engine) -> None:
    """Two records in quarantine of the newest load, three reasons in all."""
    with warehouse.begin() as connection:
        load = connection.execute(
            LOAD.select().where(LOAD.c.table_name == "stock_prices").order_by(LOAD.c.load_id.desc())
        ).first()
        assert load is not None
        common = {"load_id": load.load_id, "schema_name": "market", "table_name": "stock_prices", "source": "a file"}
        reasons = [{"rule": "between", "column": "volume", "message": "m"}, {"rule": "type", "column": None}]
        rows = [
            {**common, "position": 7, "raw": {"ticker": SECRET}, "reasons": reasons},
            {**common, "position": 9, "raw": {"ticker": SECRET}, "reasons": reasons[:1]},
        ]
        connection.execute(QUARANTINE.insert(), rows)


def blocked_release(store: Engine) -> None:
    Releases(store).start("release/1", "market", "test")
    for gate, passed in (("schema_reviewed", True), ("data_validated", False)):
        result = CriterionResult(
            criterion=gate,
            passed=passed,
            expected="all",
            found="all of it" if passed else "1 table was never validated",
            how_measured="looked",
            operation=Operation(project="market", name=gate, step=1),
            next_step=None if passed else "run the Dag `validation`",
        )
        Releases(store).record("release/1", result, 0.5)
    decide(store, "market", run_id="release/1", actor="test", gates=("schema_reviewed", "data_validated"))


def fill(store: Engine, warehouse: Engine) -> None:
    """Something in every part of both pages."""
    good = dict.fromkeys(Dimension, 0)
    for number in range(6):
        measured(store, f"run {number}", {**good, Dimension.VALIDITY: 6 - number, Dimension.ACCURACY: number % 2})
        measured(store, f"run {number}", {Dimension.COMPLETENESS: 0, Dimension.UNIQUENESS: 0}, "strategies")
    seed.loads(warehouse)
    quarantined(warehouse)
    blocked_release(store)


@pytest.fixture
def sources(database: Database) -> Sources:
    migrate(database.engine)
    return Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)


def html(template: str, page: object) -> str:
    return render.page(template, base="/groundwork", version="1", domain_names=("market",), page=page)


def test_before_anything_was_measured_both_pages_say_what_to_do(sources: Sources) -> None:
    made = html("quality.html", collect_quality(sources, Filter()))
    assert "No table was measured here yet." in made
    assert "No release was measured yet." in made
    dataset = html("dataset.html", collect_dataset(sources, "market", "stock_prices", with_raw=True))
    assert "It was never loaded." in dataset
    assert "Nothing was rejected." in dataset


def test_scores_by_dimension_failing_checks_and_gates(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    page = collect_quality(sources, Filter())
    assert page.tables.content is not None
    tables = {view.table: view for view in page.tables.content}
    assert tables["stock_prices"].dimensions["validity"] == pytest.approx(0.99)
    assert set(tables["stock_prices"].dimensions) == set(Dimension)
    assert set(tables["strategies"].dimensions) == {"completeness", "uniqueness"}
    assert page.findings.content is not None
    assert [(each.dimension, each.trend) for each in page.findings.content] == [
        ("validity", (6, 5, 4, 3, 2, 1)),
        ("accuracy", (0, 1, 0, 1, 0, 1)),
    ]
    made = html("quality.html", page)
    for words in ("1 of 100 rows fail", "•••", "1 table was never validated", "run the Dag <code>validation</code>"):
        assert words in made


@pytest.mark.parametrize(
    ("chosen", "tables", "findings"),
    [
        (Filter(domain="market"), ["stock_prices", "strategies"], 2),
        (Filter(dimension="accuracy"), ["stock_prices"], 1),
        (Filter(dimension="completeness"), ["stock_prices", "strategies"], 0),
        (Filter(only_failing=True), ["stock_prices"], 2),
        (Filter(domain="<script>", dimension="beauty"), ["stock_prices", "strategies"], 2),
    ],
)
def test_the_page_is_narrowed(
    sources: Sources, database: Database, chosen: Filter, tables: list[str], findings: int
) -> None:
    fill(database.engine, database.engine)
    page = collect_quality(sources, chosen)
    assert [view.table for view in page.tables.content or ()] == tables
    assert len(page.findings.content or ()) == findings
    assert "<script>" not in html("quality.html", page).replace('<script src="', "")


def test_a_dataset_shows_books_quarantine_and_freshness(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    page = collect_dataset(sources, "market", "stock_prices", with_raw=True)
    assert page.loads.content is not None
    assert [(load.read, load.loaded, load.quarantined) for load in page.loads.content] == [(12_153, 12_150, 3)]
    assert page.quarantine.content is not None
    assert page.quarantine.content.total == 2
    assert page.quarantine.content.reasons == (("volume: between", 2), ("type", 1))
    assert page.freshness.content is not None
    assert page.freshness.content.promised_seconds == 7 * 86_400
    assert page.freshness.content.is_kept
    assert SECRET in html("dataset.html", page)


def test_a_promise_that_is_not_kept_is_told(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    with database.engine.begin() as connection:
        connection.execute(LOAD.update().values(finished_at=datetime(2020, 1, 1, tzinfo=UTC)))
    page = collect_dataset(sources, "market", "stock_prices", with_raw=False)
    assert page.freshness.content is not None
    assert page.freshness.content.is_kept is False
    assert "later than the 7 d that are promised" in html("dataset.html", page)


def test_records_in_quarantine_are_not_even_read_for_others(sources: Sources, database: Database) -> None:
    fill(database.engine, database.engine)
    page = collect_dataset(sources, "market", "stock_prices", with_raw=False)
    assert page.quarantine.content is not None
    assert [each.raw for each in page.quarantine.content.newest] == [None, None]
    made = html("dataset.html", page)
    assert SECRET not in made
    assert "volume: between" in made


def test_without_databases_both_pages_say_so(sources: Sources) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    away = Sources(store=lambda: nowhere, warehouse=lambda: nowhere, contracts=CONTRACTS)
    assert "store does not answer" in html("quality.html", collect_quality(away, Filter()))
    page = collect_dataset(away, "market", "stock_prices", with_raw=True)
    assert [problem.what for problem in page.problems] == [
        "Groundwork's store does not answer.",
        "The warehouse does not answer.",
    ]
    assert "market.stock_prices" in html("dataset.html", page)


def test_a_table_that_nobody_declares_is_not_found(sources: Sources) -> None:
    with pytest.raises(ConfigError, match="no table `nothing`"):
        collect_dataset(sources, "market", "nothing", with_raw=True)


@pytest.mark.parametrize(("values", "lowest"), [([], "95 %"), ([1.0], "95 %"), ([0.5, 0.93], "50 %")])
def test_the_line_starts_below_the_lowest_score(values: list[float], lowest: str) -> None:
    made = trend_line(values, "score")
    assert f">{lowest}<" in made
    assert made.count("<circle") == len(values)


@pytest.mark.airflow
@pytest.mark.slow
def test_who_sees_what_in_airflow(airflow_server: Server) -> None:
    fill(airflow_server.store, airflow_server.warehouse)
    dataset, quality = "/groundwork/ui/domains/market/tables/stock_prices", "/groundwork/ui/quality?show=failing"
    with airflow_server.client() as anonymous:
        assert anonymous.get(dataset, headers={"Accept": "application/json"}).status_code == 401
        assert anonymous.get(quality, headers={"Accept": "application/json"}).status_code == 401
    with airflow_server.client(OUTSIDER) as outsider:
        assert outsider.get(dataset).status_code == 403
        assert outsider.get(quality).status_code == 403
    seen = {}
    for role in ("viewer", "user", "op", "admin"):
        with airflow_server.client(role) as client:
            answer = client.get(dataset)
            assert answer.status_code == 200
            assert "volume: between" in answer.text
            seen[role] = SECRET in answer.text
            assert client.get(quality).status_code == 200
            assert client.post(dataset).status_code == 405
            assert client.get("/groundwork/ui/domains/market/tables/none").status_code == 404
    assert seen == {"viewer": False, "user": False, "op": True, "admin": True}
