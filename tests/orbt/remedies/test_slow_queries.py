"""Slow queries healed from end to end: the failure of a real statement, its strike, and the retry that goes well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from groundwork.model.fault import Impact, Strike, TaskTry
from groundwork.orbt.classify import classify
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.response import Responder, Told
from groundwork.orbt.spool import Spool
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_steady_time import cost_decides

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("cost_decides")]
__all__ = ["cost_decides"]
_IN_TIME = 60_000  # milliseconds for what must end well, however slow the machine is
_PATTERNS = read_patterns(Path(__file__).parents[3] / "governance" / "patterns")
_POLICY = """
kind: remedies
version: 1.0.0
remedies:
  create_index: {settings: {any_table: true}}
  end_blockers: {settings: {idle_seconds: 0.2}}
  cache_statement: {mode: run}
"""


@pytest.fixture
def responder(module_database: Database, tmp_path: Path) -> Iterator[Responder]:
    engine = module_database.engine
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE sales AS SELECT id, id % 7 AS kind FROM generate_series(1, 300000) AS id")
        )
    policy = tmp_path / "governance" / "policies" / "remedies.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text(_POLICY, encoding="utf-8")
    yield Responder(
        store=lambda: engine,
        engine_of=lambda _: engine,
        target="warehouse",
        patterns=_PATTERNS,
        spool=Spool(tmp_path / "spool"),
        project=tmp_path,
        home=tmp_path,
    )
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE sales"))
        connection.execute(text("TRUNCATE groundwork.remedy_run, groundwork.strike CASCADE"))


def attempt(engine: Engine, statement: str, milliseconds: int) -> BaseException | None:
    """Run a task's statement in bounded time; what it raises."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
            connection.execute(text(statement), {"id": 77})
    except DBAPIError as error:
        return error
    return None


def answer(responder: Responder, error: BaseException | None, try_number: int = 1) -> Strike:
    assert error is not None
    task_try = TaskTry(dag_id="load", run_id="r1", task_id="sales", try_number=try_number)
    fault = classify(error, _PATTERNS)
    assert fault.fault_class == "slow_queries"
    return responder.respond(fault, task_try, Impact(domain="shop"), has_try_left=True, told=Told(error=error)).strike


def test_a_missing_index_is_built_and_the_retry_is_quick(responder: Responder, module_database: Database) -> None:
    engine, statement = module_database.engine, "SELECT * FROM sales WHERE id = :id"
    failed = attempt(engine, statement, 1)
    strike = answer(responder, failed)
    done = {each.remedy: each.is_done for each in strike.remedies}
    assert [name for name, is_done in done.items() if is_done] == [
        "explain_statement",
        "analyze_tables",
        "create_index",
    ]
    assert list(done) == [
        "end_blockers", "explain_statement", "analyze_tables", "create_index", "extend_statistics",
    ]  # fmt: skip
    assert "created the index ix_sales_id_orbt" in strike.remedies[3].report
    assert not any("77" in each.report for each in strike.remedies)
    assert attempt(engine, statement, _IN_TIME) is None
    with engine.connect() as connection:
        plan = "\n".join(connection.execute(text(f"EXPLAIN {statement}"), {"id": 77}).scalars())
    assert "ix_sales_id_orbt" in plan
    again = answer(responder, failed).remedies
    assert again[1:4] == strike.remedies[1:4], "asked again about the same try: told, not done again"
    assert len(RemedyRuns(engine).latest(remedy="create_index")) == 1


def test_who_holds_up_the_statement_is_ended_and_the_retry_goes_through(
    responder: Responder, module_database: Database
) -> None:
    engine, statement = module_database.engine, "UPDATE sales SET kind = 8 WHERE id = :id"
    url = module_database.url.replace("+psycopg", "")
    with psycopg.connect(url, application_name="groundwork:forgotten") as forgotten:
        forgotten.execute("UPDATE sales SET kind = 9 WHERE id = 77")
        time.sleep(0.3)
        strike = answer(responder, attempt(engine, statement, 800))
        assert strike.remedies[0].remedy == "end_blockers"
        assert strike.remedies[0].is_done, strike.remedies[0].report
        assert attempt(engine, statement, _IN_TIME) is None
        forgotten.close()


def test_what_no_index_helps_reads_a_kept_answer_on_the_second_strike(
    responder: Responder, module_database: Database
) -> None:
    engine, statement = module_database.engine, "SELECT kind, count(*) FROM sales GROUP BY kind ORDER BY kind"
    for number in (1, 2):
        strike = answer(responder, attempt(engine, statement, 1), number)
    kept = next(each for each in strike.remedies if each.remedy == "cache_statement")
    assert kept.is_done, kept.report
    assert kept.alternative is not None
    with engine.connect() as connection:
        assert connection.exec_driver_sql(kept.alternative.instead).all() == connection.execute(text(statement)).all()
