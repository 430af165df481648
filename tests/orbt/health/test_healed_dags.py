"""Dags that ORBT heals and no contract declares: who they are, their state, their score, and what Airflow tells."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.model.fault import Answer, Circumstances, StrikeAction
from groundwork.model.health import EarlyWarning, State, WarningKind
from groundwork.orbt.health.health import whole_health
from groundwork.orbt.health.pipeline_health import PipelineHealth
from groundwork.orbt.health.subjects import PipelineKind
from groundwork.orbt.health.told_runs import ToldDag, ToldRun
from groundwork.orbt.health.watch import watch
from groundwork.store.breaker import Breakers
from groundwork.store.health import HealthRecords
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import NOW

pytestmark = pytest.mark.postgres
TEAM = "team_dag"
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DAY = timedelta(days=1)


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def others(store: Database, *domains: Domain) -> dict[str, PipelineHealth]:
    found = whole_health(store.engine, store.engine, domains or (books.market(),), NOW)
    return {each.pipeline.name: each for each in found.others}


def share(health: PipelineHealth, name: str) -> float | None:
    return next(part.share for part in health.parts if part.name == name)


def told(succeeded: int, *, runs: int = 0, dag_id: str = TEAM) -> ToldDag:
    """What Airflow tells: `runs` that ended an hour apart and took 60 s each, the last one an hour ago."""
    ended = [NOW - timedelta(hours=number) for number in range(runs, 0, -1)]
    made = (ToldRun(run_id=f"r{n}", started_at=at - timedelta(minutes=1), ended_at=at) for n, at in enumerate(ended, 1))
    return ToldDag(dag_id=dag_id, runs=tuple(made), succeeded=succeeded)


def look(store: Database, home: Path, *dags: ToldDag, days_ago: float = 0) -> None:
    databases = {"warehouse": store.engine}
    seen = watch(store.engine, databases, "warehouse", [], home=home, now=NOW - days_ago * DAY, told=dags)
    assert seen.problems == ()


def test_a_dag_of_a_team_is_in_repair_while_a_strike_waits_and_operating_when_it_healed(store: Database) -> None:
    made = books.strike(store.engine, dag_id=TEAM, domain=TEAM)
    found = others(store)[TEAM]
    assert (found.pipeline.kind, found.pipeline.domain) == (PipelineKind.OTHER, TEAM)
    assert found.situation.state is State.REPAIR
    assert found.situation.reason == "strike 1 (connection_failures) in `load` waits for its retry"
    assert share(found, "trouble") == 0.5
    Strikes(store.engine).healed(made.task_try)
    healed = others(store)[TEAM]
    assert healed.situation.state is State.OPERATING
    assert share(healed, "trouble") == 1.0


def test_strikes_count_for_thirty_days_and_declared_dags_stand_where_they_stood(store: Database) -> None:
    books.strike(store.engine, dag_id="long_ago", at=NOW - 31 * DAY)
    books.strike(store.engine, dag_id="a_month", at=NOW - 29 * DAY)
    books.strike(store.engine)
    books.strike(store.engine, dag_id="data_foundation")
    assert list(others(store)) == ["a_month"]


def test_a_dag_that_works_for_several_domains_stands_once(store: Database) -> None:
    books.strike(store.engine, dag_id="validation", run_id="m")
    books.strike(store.engine, dag_id="validation", run_id="f", domain="flights")
    flights = read_domain("flights", EXAMPLES / "contracts")
    found = others(store, books.market(), flights)
    assert list(found) == ["validation"]
    assert found["validation"].pipeline.domain == "flights"
    assert found["validation"].parts[3].told == "2 strikes wait"


@pytest.mark.parametrize(("answer", "state"), [(None, State.REPAIR), (Answer.SKIP, State.OPERATING)])
def test_an_incident_that_is_not_accepted_is_repair_however_old_its_strikes_are(
    store: Database, answer: Answer | None, state: State
) -> None:
    books.strike(store.engine, dag_id="other", at=NOW - 5 * DAY)
    books.incident(store.engine, dag_id="other", answer=answer)
    books.incident(store.engine, dag_id=TEAM, answer=answer)
    found = others(store)
    assert found["other"].situation.state is state
    assert (TEAM in found) is (answer is None)
    if answer is None:
        assert found[TEAM].situation.reason == "an incident is open: connection_failures"
        assert share(found[TEAM], "trouble") == 0.0


def test_a_task_that_succeeded_since_is_hit_no_more(store: Database) -> None:
    made = books.strike(store.engine, dag_id=TEAM, action=StrikeAction.ASK_PERSON, try_number=3)
    opened = books.incident(store.engine, dag_id=TEAM)
    books.incident(store.engine, dag_id="another")
    from groundwork.store.incident import Incidents

    assert others(store)[TEAM].situation.state is State.REPAIR
    Incidents(store.engine).succeeded(made.task_try)
    assert Incidents(store.engine).get(opened.id)["state"] == "resolved"
    found = others(store)
    assert (found[TEAM].situation.state, found["another"].situation.state) == (State.OPERATING, State.REPAIR)


def test_what_it_failed_on_is_what_it_uses_unless_it_was_guessed(store: Database) -> None:
    for run, target, is_guessed in (
        ("a", "shop", False), ("b", "source:https://rates.example.com", False), ("c", "warehouse", True),
    ):  # fmt: skip
        where = Circumstances(target=target, is_target_guessed=is_guessed)
        books.strike(store.engine, dag_id=TEAM, run_id=run, circumstances=where)
    for target in ("connection:shop", "connection:warehouse", "connection:nobody"):
        Breakers(store.engine).hold(target, "a drill")
    found = others(store)[TEAM]
    assert found.pipeline.connections == ("shop", "source:https://rates.example.com")
    assert found.breakers == {"connection:shop": "open"}
    assert share(found, "breaker") == 0.0
    whole = whole_health(store.engine, store.engine, [books.market()], NOW)
    assert [row["target"] for row in whole.breakers] == ["connection:nobody", "connection:shop", "connection:warehouse"]


def test_without_a_count_of_what_succeeded_there_is_no_score_and_it_is_said(store: Database, tmp_path: Path) -> None:
    Strikes(store.engine).healed(books.strike(store.engine, dag_id=TEAM).task_try)
    books.strike(store.engine, dag_id=TEAM, run_id="r2")
    found = others(store)[TEAM]
    assert found.score is None
    assert found.parts[0].told == "not counted what succeeded at once; 2 strikes in 30 days, 1 of them healed"
    look(store, tmp_path, told(18), days_ago=2)
    assert others(store)[TEAM].score is None, "what was told two days ago is told no more"


def test_what_airflow_counts_makes_the_score(store: Database, tmp_path: Path) -> None:
    Strikes(store.engine).healed(books.strike(store.engine, dag_id=TEAM).task_try)
    books.strike(store.engine, dag_id=TEAM, run_id="r2")
    look(store, tmp_path, told(18))
    found = others(store)[TEAM]
    assert found.parts[0].told == "18 of 20 tries in 30 days"
    assert share(found, "freshness") is share(found, "quality") is None
    assert found.score == pytest.approx(100 * (0.27 + 0.075 + 0.1 + 0.1) / 0.65, abs=0.1)


def test_runs_make_series_once_and_growing_ones_are_warned_of(store: Database, tmp_path: Path) -> None:
    books.strike(store.engine, dag_id=TEAM, run_id="r3")
    look(store, tmp_path, told(5, runs=4))
    look(store, tmp_path, told(5, runs=4))
    series = others(store)[TEAM].series
    assert [each.value for each in series["run_seconds"]] == [60.0] * 4
    assert [each.value for each in series["run_strikes"]] == [0.0, 0.0, 1.0, 0.0]
    grows = EarlyWarning(subject=TEAM, metric="run_seconds", kind=WarningKind.STEP, told="it jumped", value=9.0)
    HealthRecords(store.engine).keep([grows], set(), NOW)
    assert [row["told"] for row in others(store)[TEAM].warnings] == ["it jumped"]


def test_the_number_of_queries_does_not_grow_with_dags(store: Database) -> None:
    for number in range(30):
        books.strike(store.engine, dag_id=f"{TEAM}_{number}")
        books.incident(store.engine, dag_id=f"{TEAM}_{number}")
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    found = whole_health(store.engine, None, [], NOW)
    assert len(found.others) == 30
    assert len(statements) <= 8, statements
