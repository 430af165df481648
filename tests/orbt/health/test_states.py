"""The state of datasets and pipelines: the rule by itself, and its facts from a real store and warehouse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, event, text

from groundwork.flow.capture import ledger as streams
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, StrikeAction, TaskTry
from groundwork.model.health import Situation, State
from groundwork.orbt.health.states import TRAINING_RUNS, Facts, judge, most_pressing, state_of, states_of
from groundwork.store.foundation import FOUNDATION_RUN, FoundationRuns
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.migration import MIGRATION, Migrations
from groundwork.store.strike import Strikes
from groundwork.store.table_workflow import TABLE_WORKFLOW, TableWorkflows
from tests.fix_postgres import Database
from tests.orbt.health import health_books as books
from tests.orbt.health.health_books import NOW, PIPELINE, PRICES

SIGNALS = "market.trading_signals"


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def states(store: Database) -> dict[str, State]:
    found = states_of(store.engine, store.engine, books.market(), NOW)
    return {name: each.state for name, each in found.items()}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(), State.OPERATING),
        (Facts(runs=TRAINING_RUNS), State.OPERATING),
        (Facts(runs=TRAINING_RUNS - 1), State.TRAINING),
        (Facts(runs=0, building="a migration"), State.BUILD),
        (Facts(runs=0, building="a migration", failing="a strike"), State.REPAIR),
        (Facts(runs=100, failing="a strike"), State.REPAIR),
    ],
)
def test_the_rule_puts_repair_before_build_before_training(facts: Facts, state: State) -> None:
    assert judge("shop.sale", facts).state is state


def test_a_whole_is_in_the_state_of_its_most_pressing_part() -> None:
    parts = [
        Situation(subject=name, state=state, reason=f"because of {name}")
        for name, state in (("a", State.OPERATING), ("b", State.TRAINING), ("c", State.REPAIR), ("d", State.REPAIR))
    ]
    whole = most_pressing(parts, "shop")
    assert (whole.subject, whole.state) == ("shop", State.REPAIR)
    assert whole.reason == "c: because of c (and 1 more)"
    assert most_pressing(parts[:1], "shop").state is State.OPERATING
    assert most_pressing([], "shop").state is State.BUILD


@pytest.mark.postgres
def test_what_was_never_loaded_is_being_built_and_learns_until_it_has_a_baseline(store: Database) -> None:
    assert set(states(store).values()) == {State.BUILD}
    books.loads(store.engine, TRAINING_RUNS - 1)
    assert states(store)[PRICES] is State.TRAINING
    assert states(store)[PIPELINE] is State.TRAINING
    books.loads(store.engine, 1, until=NOW)
    assert states(store)[PRICES] is State.OPERATING
    assert states(store)[PIPELINE] is State.OPERATING
    assert states(store)[SIGNALS] is State.BUILD


@pytest.mark.postgres
def test_drills_and_loads_under_way_are_no_loads(store: Database) -> None:
    books.loads(store.engine, TRAINING_RUNS, is_trial=True)
    books.loads(store.engine, TRAINING_RUNS, state="running", finished_at=None)
    assert states(store)[PRICES] is State.BUILD


@pytest.mark.postgres
def test_a_strike_that_waits_is_repair_until_the_task_succeeds(store: Database) -> None:
    books.all_loaded(store.engine)
    made = books.strike(store.engine)
    found = states_of(store.engine, store.engine, books.market(), NOW)
    assert (found[PIPELINE].state, found[PRICES].state) == (State.REPAIR, State.REPAIR)
    assert "strike 1 (connection_failures)" in found[PRICES].reason
    assert found[SIGNALS].state is State.OPERATING
    Strikes(store.engine).healed(made.task_try)
    assert states(store)[PRICES] is State.OPERATING


@pytest.mark.postgres
def test_a_strike_of_another_dag_hits_the_table_it_names(store: Database) -> None:
    books.all_loaded(store.engine)
    books.strike(store.engine, dag_id="validation", table=SIGNALS)
    found = states(store)
    assert (found[SIGNALS], found["validation"], found[PRICES]) == (State.REPAIR, State.REPAIR, State.OPERATING)


@pytest.mark.postgres
def test_a_strike_that_something_dead_left_behind_counts_no_more(store: Database) -> None:
    books.all_loaded(store.engine)
    books.strike(store.engine, at=NOW - timedelta(days=2))
    assert states(store)[PRICES] is State.OPERATING


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, State.REPAIR),
        (Answer.RETRY, State.REPAIR),
        (Answer.IGNORE, State.OPERATING),
        (Answer.SKIP, State.OPERATING),
    ],
)
def test_an_incident_is_repair_until_it_is_resolved_or_accepted(
    store: Database, answer: Answer | None, state: State
) -> None:
    books.all_loaded(store.engine)
    books.strike(store.engine, action=StrikeAction.ASK_PERSON, try_number=3)
    opened = books.incident(store.engine, answer=answer)
    assert states(store)[PRICES] is state
    Incidents(store.engine).resolve(opened.id, "done", "somebody")
    assert states(store)[PRICES] is State.OPERATING


@pytest.mark.postgres
def test_a_dag_that_an_incident_of_another_domain_hits_is_in_repair_too(store: Database) -> None:
    books.all_loaded(store.engine)
    opened = books.incident(store.engine)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.incident SET domain = 'shop'"))
    assert states(store)[PIPELINE] is State.REPAIR
    task_try = TaskTry(dag_id=PIPELINE, run_id="r1", task_id="load", try_number=4)
    assert Incidents(store.engine).get(opened.id)["affected"][0]["run_id"] == task_try.run_id


@pytest.mark.postgres
def test_a_load_that_was_stopped_is_repair_until_the_next_one(store: Database) -> None:
    books.all_loaded(store.engine)
    books.loads(store.engine, 1, until=NOW, state="stopped")
    found = states_of(store.engine, store.engine, books.market(), NOW)
    assert found[PRICES].state is State.REPAIR
    assert "too many rows were broken" in found[PRICES].reason
    books.loads(store.engine, 1, until=NOW)
    assert states(store)[PRICES] is State.OPERATING


@pytest.mark.postgres
def test_a_foundation_run_builds_all_and_its_failure_is_repair_of_the_domain(store: Database) -> None:
    books.all_loaded(store.engine)
    runs = FoundationRuns(store.engine)
    runs.start("f1", "market", "warehouse", is_dry_run=False)
    with store.engine.begin() as connection:
        connection.execute(FOUNDATION_RUN.update().values(started_at=NOW - timedelta(minutes=1)))
    assert set(states(store).values()) == {State.BUILD}
    runs.finish("f1", is_success=False)
    found = states(store)
    assert (found["data_foundation.market"], found[PRICES]) == (State.REPAIR, State.OPERATING)
    assert state_of(store.engine, store.engine, books.market(), now=NOW).state is State.REPAIR
    runs.finish("f1", is_success=True)
    assert state_of(store.engine, store.engine, books.market(), now=NOW).state is State.OPERATING


@pytest.mark.postgres
def test_a_run_that_died_a_week_ago_builds_nothing(store: Database) -> None:
    books.all_loaded(store.engine)
    FoundationRuns(store.engine).start("f1", "market", "warehouse", is_dry_run=False)
    with store.engine.begin() as connection:
        connection.execute(FOUNDATION_RUN.update().values(started_at=NOW - timedelta(days=8)))
    assert states(store)[PRICES] is State.OPERATING


@pytest.mark.postgres
def test_a_table_that_a_workflow_changed_learns_anew(store: Database) -> None:
    books.all_loaded(store.engine)
    workflows = TableWorkflows(store.engine)
    workflows.start("change_column/1", kind="change_column", domain="market", table=PRICES, actor="somebody")
    with store.engine.begin() as connection:
        connection.execute(TABLE_WORKFLOW.update().values(started_at=NOW - timedelta(hours=3)))
    assert (states(store)[PRICES], states(store)[SIGNALS]) == (State.BUILD, State.OPERATING)
    workflows.finish("change_column/1", is_success=True)
    with store.engine.begin() as connection:
        connection.execute(TABLE_WORKFLOW.update().values(finished_at=NOW - timedelta(hours=2)))
    found = states_of(store.engine, store.engine, books.market(), NOW)[PRICES]
    assert (found.state, found.since) == (State.TRAINING, NOW - timedelta(hours=2))
    assert found.reason.startswith("1 of 8 runs since it was changed")


@pytest.mark.postgres
def test_a_migration_concerns_the_tables_that_its_plan_names(store: Database) -> None:
    books.all_loaded(store.engine)
    plan = {"stages": [{"what": "x", "changes": [{"schema": "market", "table": "stock_prices"}]}]}
    number = Migrations(store.engine).start("market", "somebody", plan)
    with store.engine.begin() as connection:
        connection.execute(MIGRATION.update().values(started_at=NOW - timedelta(minutes=1)))
    assert (states(store)[PRICES], states(store)[SIGNALS]) == (State.BUILD, State.OPERATING)
    with store.engine.begin() as connection:
        done = MIGRATION.update().where(MIGRATION.c.id == number)
        connection.execute(done.values(state="applied", finished_at=NOW))
    assert (states(store)[PRICES], states(store)[SIGNALS]) == (State.TRAINING, State.OPERATING)


@pytest.mark.postgres
def test_without_the_warehouse_what_lies_in_it_is_in_repair(store: Database) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    found = states_of(store.engine, nowhere, books.market(), NOW)
    assert found[PRICES].state is State.REPAIR
    assert found[PRICES].reason == "the warehouse does not answer"


@pytest.mark.postgres
def test_one_subject_by_name_and_one_that_nobody_knows(store: Database) -> None:
    books.all_loaded(store.engine)
    assert state_of(store.engine, store.engine, books.market(), PRICES, now=NOW).state is State.OPERATING
    with pytest.raises(ConfigError, match="no such dataset or pipeline"):
        state_of(store.engine, store.engine, books.market(), "market.nothing", now=NOW)


@pytest.mark.postgres
def test_the_number_of_queries_does_not_grow_with_tables_or_loads(store: Database) -> None:
    books.all_loaded(store.engine, 30)
    with store.engine.begin() as connection:
        streams.ensure(connection)
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    states_of(store.engine, store.engine, books.market(), NOW)
    assert len(statements) <= 12, statements
