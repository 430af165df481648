"""Answers of slow queries that are kept: the same rows in the same order, with their age, and gone when it is time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import AlternativeKind, RemedyResult, TaskTry, statement_digest
from groundwork.orbt.remedies.recover import take_back
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on

pytestmark = pytest.mark.postgres
_SLOW = 'SELECT kind AS "the kind", sum(amount) FROM sales GROUP BY kind ORDER BY sum(amount) DESC  -- the best first'


@pytest.fixture(scope="module")
def prepared(module_database: Database) -> Engine:
    migrate(module_database.engine)
    return module_database.engine


@pytest.fixture
def sales(prepared: Engine) -> Iterator[Engine]:
    """A table of sales; nothing is kept yet."""
    make = text("CREATE TABLE sales AS SELECT id % 7 AS kind, id AS amount FROM generate_series(1, 500) id")
    with prepared.begin() as connection:
        connection.execute(make)
    yield prepared
    with prepared.begin() as connection:
        connection.execute(text("DROP TABLE sales"))
        connection.execute(text("DROP SCHEMA IF EXISTS groundwork_cache CASCADE"))
        connection.execute(text("TRUNCATE groundwork.remedy_run"))


def cache(engine: Engine, statement: str = _SLOW, *, run_id: str = "r1", **options: Any) -> RemedyResult:
    task_try = TaskTry(dag_id="drill", run_id=run_id, task_id="load", try_number=1)
    scene = scene_on(engine, store=engine, statement=statement, task_try=task_try, **options)
    return run("cache_statement", scene, asked_by="person:ann")


def kept(engine: Engine) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('groundwork_cache') AND relkind = 'r'"
    with engine.connect() as connection:
        return list(connection.execute(text(query)).scalars())


def rows(engine: Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).all())


def older(engine: Engine, hours: int) -> None:
    with engine.begin() as connection:
        for name in kept(engine):
            made = connection.execute(text(f"SELECT (now() - interval '{hours} hours')::text")).scalar_one()
            connection.execute(
                text(f"COMMENT ON TABLE groundwork_cache.{name} IS 'groundwork keeps an answer, made {made}'")
            )


def test_the_next_tries_read_the_same_rows_in_the_same_order(sales: Engine) -> None:
    result = cache(sales)
    assert result.is_done, result.report
    assert result.alternative is not None
    assert result.alternative.kind is AlternativeKind.STATEMENT
    assert result.alternative.names == statement_digest(_SLOW)
    assert "of 7 rows, made just now" in result.report
    assert "may be out of date" in result.alternative.reason
    assert rows(sales, result.alternative.instead) == rows(sales, _SLOW)
    with sales.connect() as connection:
        query = text("SELECT has_schema_privilege('public', 'groundwork_cache', 'USAGE')")
        assert connection.execute(query).scalar_one() is False


def test_a_fresh_answer_is_read_again_and_an_old_one_made_anew(sales: Engine) -> None:
    first = cache(sales)
    again = cache(sales, run_id="r2")
    assert first.alternative is not None
    assert again.alternative is not None
    assert again.alternative.instead == first.alternative.instead
    assert "minutes ago" in again.report
    assert again.changes == ()
    older(sales, 30)
    with sales.begin() as connection:
        connection.execute(text("INSERT INTO sales VALUES (99, 1)"))
    newest = cache(sales, run_id="r3", settings={"max_age_hours": 1})
    assert newest.alternative is not None
    assert len(rows(sales, newest.alternative.instead)) == 8
    assert len(kept(sales)) == 1, "the old one is gone"


def test_by_itself_it_is_only_proposed(sales: Engine) -> None:
    scene = scene_on(sales, store=sales, statement=_SLOW)
    assert run("cache_statement", scene).report.startswith("proposed: keep the answer of `SELECT kind")
    assert dry_run("cache_statement", scene).report.startswith("would: keep the answer")
    assert kept(sales) == []


@pytest.mark.parametrize(
    ("statement", "parameters", "why"),
    [
        ("SELECT * FROM sales WHERE kind = %(kind)s", {"kind": 1}, "has parameters"),
        ("DELETE FROM sales", None, "does more than read"),
        ("SELECT random() FROM sales", None, "may answer differently"),
        ("SELECT 1 AS a, 2 AS a", None, "could not"),
        (None, None, "does not tell"),
    ],
)
def test_what_cannot_be_kept_is_refused(sales: Engine, statement: str | None, parameters: Any, why: str) -> None:
    result = cache(sales, statement, parameters=parameters)  # type: ignore[arg-type]
    assert not result.is_done
    assert why in result.report
    assert kept(sales) == []


def test_an_answer_beyond_the_limit_is_not_kept(sales: Engine, tmp_path: Path) -> None:
    policy = tmp_path / "governance" / "policies" / "remedies.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text("kind: remedies\nversion: 1.0.0\nremedies: {cache_statement: {rows: 6}}\n", encoding="utf-8")
    result = cache(sales, project=tmp_path)
    assert "more than 6 rows" in result.report
    assert kept(sales) == []


def test_a_kept_answer_is_taken_back(sales: Engine, tmp_path: Path) -> None:
    cache(sales)
    (row,) = RemedyRuns(sales).latest()
    assert take_back(sales, row["id"], lambda _: sales, tmp_path, tmp_path).is_undone
    assert kept(sales) == []


def test_space_is_freed_of_answers_past_their_time_and_of_nothing_else(sales: Engine) -> None:
    assert run("free_space", scene_on(sales, store=sales)).report == "no kept answer is past its time"
    cache(sales)
    with sales.begin() as connection:
        connection.execute(text("CREATE TABLE groundwork_cache.somebodys (id int)"))
    assert run("free_space", scene_on(sales, store=sales)).report == "no kept answer is past its time"
    older(sales, 25)
    with sales.begin() as connection:
        connection.execute(text("COMMENT ON TABLE groundwork_cache.somebodys IS NULL"))
    told = run("free_space", scene_on(sales, store=sales))
    assert "dropped 1 kept answer(s)" in told.report
    assert kept(sales) == ["somebodys"]
