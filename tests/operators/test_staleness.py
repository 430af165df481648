"""What is made from a kept answer counts as stale with everything downstream, until a fresh load; on a real store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from groundwork.contracts.read import read_domain
from groundwork.flow.resources import Resources
from groundwork.flow.sources.kept_answers import KeptAnswers, Question
from groundwork.operators.tries.staleness import after_load, downstream_of, served_at
from groundwork.store.migrate import migrate
from groundwork.store.stale_dataset import StaleDatasets
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_ROOT = Path(__file__).parents[2]
_AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def test_marks_reach_what_is_made_from_it_and_go_with_a_fresh_load(database: Database) -> None:
    migrate(database.engine)
    domain = read_domain("market", _ROOT / "governance" / "contracts")
    table = domain.table("stock_prices")
    downstream = downstream_of(domain, table, _ROOT)
    computed = {each.qualified_name for each in domain.tables if (each.source or {}).get("inputs")}
    assert computed & set(downstream), "a computed table is made from it"
    assert any("." not in each for each in downstream), "and a dbt model"
    assert table.qualified_name not in downstream

    marked = after_load(lambda: database.engine, domain, table, served_at=_AT, project=_ROOT)
    assert marked == (table.qualified_name, *downstream)
    rows = StaleDatasets(database.engine).all()
    assert {row["dataset"] for row in rows} == set(marked)
    assert {(row["because_of"], row["as_of"]) for row in rows} == {(table.qualified_name, _AT)}
    assert after_load(lambda: database.engine, domain, table, served_at=None, project=_ROOT) == ()
    assert StaleDatasets(database.engine).all() == []


def test_a_store_that_is_away_costs_the_mark_only() -> None:
    domain = read_domain("market", _ROOT / "governance" / "contracts")
    away = create_engine("postgresql+psycopg://nobody:none@127.0.0.1:1/none")
    assert after_load(lambda: away, domain, domain.table("stock_prices"), served_at=_AT, project=_ROOT) == ()


def test_the_time_is_that_of_the_answer_that_is_served(tmp_path: Path) -> None:
    table = read_domain("market", _ROOT / "governance" / "contracts").table("stock_prices")
    connection = str((table.source or {}).get("connection", ""))
    answers = KeptAnswers(tmp_path)
    writer = answers.writer(Question.of(connection, table.qualified_name, "/", {}))
    writer.add(b"[]")
    writer.keep()
    kept = answers.find(connection)
    assert kept is not None
    assert served_at(Resources(project=_ROOT, answers=answers), table) is None
    assert served_at(Resources(project=_ROOT, answers=answers, served=frozenset({connection})), table) == kept.at
