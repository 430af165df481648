"""`groundwork health`: what it shows, and its exit codes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from groundwork.cli import health
from groundwork.model.errors import ConfigError
from groundwork.model.health import EarlyWarning, WarningKind
from groundwork.store.base import utc_now
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.foundation import FoundationRuns
from groundwork.store.health import HealthRecords
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import PIPELINE, PRICES

pytestmark = pytest.mark.postgres
PROJECT = Path(__file__).parents[2]
FILLING = EarlyWarning(
    subject="disk:home", metric="disk_used_bytes", kind=WarningKind.TREND, told="disk in use grows", value=1.0
)


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A domain in which everything is well."""
    migrate(database.engine)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(PROJECT))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    for table in books.market().tables:
        books.loads(database.engine, 9, table=table.name, until=utc_now())
    runs = FoundationRuns(database.engine)
    runs.start("f1", "market", "warehouse", is_dry_run=False)
    runs.finish("f1", is_success=True)
    return database


def call(*words: str, code: int = 0) -> str:
    app = typer.Typer()
    app.command()(health.health)
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def told(*words: str, code: int = 0) -> Any:
    return json.loads(call(*words, "--json", code=code))


def test_all_is_well(store: Database) -> None:
    shown = call()
    assert shown.count("operating") == 10 + 1
    assert "datasets: 9 operating" in shown
    assert " 100  closed" in shown
    found = told()
    assert found["warnings"] == []
    assert {each["state"] for each in found["datasets"]} == {"operating"}
    assert [each["dag_id"] for each in told("market")["pipelines"]] == [each["dag_id"] for each in found["pipelines"]]


def test_one_pipeline_and_one_dataset_show_the_parts_of_the_score(store: Database) -> None:
    shown = call(PIPELINE)
    assert "load_market__stock_prices: operating, nothing is wrong" in shown
    assert "success    weight 0.30  share 1.00          9 of 9 tries in 30 days" in shown
    assert "quality    weight 0.15  share not measured" in shown
    assert [each["dag_id"] for each in told(PRICES)["pipelines"]] == [PIPELINE]
    assert told(PRICES)["subject"] == PRICES


def test_repair_is_told_by_the_exit_code(store: Database) -> None:
    books.strike(store.engine, at=utc_now())
    assert "strike 1 (connection_failures)" in call(code=1)
    assert told(PIPELINE, code=1)["state"] == "repair"
    assert told(PRICES, code=1)["state"] == "repair"
    assert told("market.orders")["state"] == "operating"


def test_a_warning_is_told_by_the_exit_code(store: Database) -> None:
    own = EarlyWarning(subject=PIPELINE, metric="run_seconds", kind=WarningKind.STEP, told="it jumped", value=9.0)
    HealthRecords(store.engine).keep([FILLING], set(), utc_now())
    assert "warning: disk:home: disk in use grows" in call(code=1)
    assert told("market")["warnings"] == []
    HealthRecords(store.engine).keep([own], set(), utc_now())
    assert told("market", code=1)["warnings"][0]["told"] == "it jumped"
    assert "it jumped" in call(PIPELINE, code=1)


def test_a_dag_of_a_team_is_told_as_the_others_are(store: Database) -> None:
    books.strike(store.engine, dag_id="team_dag", domain="team_dag", at=utc_now())
    assert "team_dag" in call(code=1)
    found = told(code=1)["pipelines"][-1]
    assert (found["dag_id"], found["kind"], found["state"], found["score"]) == ("team_dag", "other", "repair", None)
    assert "what succeeded at once; 1 strikes in 30 days" in call("team_dag", code=1)
    assert "team_dag" not in call("market")


def test_breakers_that_are_not_closed_are_told_whoever_uses_them(store: Database) -> None:
    Breakers(store.engine).failed("connection:nobodys", by="r1", rule=BreakerRule(threshold=1), reason="refused us")
    shown = call(code=1)
    assert "breaker: connection:nobodys" in shown
    assert "next probe at" in shown
    assert "refused us" in shown
    (found,) = told(code=1)["breakers"]
    assert (found["target"], found["state"], found["is_held"]) == ("connection:nobodys", "open", False)
    assert datetime.fromisoformat(found["retry_at"]) > datetime.fromisoformat(found["opened_at"])
    assert told("market")["breakers"] == []
    Breakers(store.engine).hold("connection:warehouse", "a drill")
    assert [each["target"] for each in told("market", code=1)["breakers"]] == ["connection:warehouse"]
    assert "until a person closes it  a drill" in call("market", code=1)


def test_what_nobody_knows_is_refused_with_what_there_is(store: Database) -> None:
    app = typer.Typer()
    app.command()(health.health)
    done = CliRunner().invoke(app, ["nothing"])
    assert isinstance(done.exception, ConfigError)
    assert PIPELINE in str(done.exception)
