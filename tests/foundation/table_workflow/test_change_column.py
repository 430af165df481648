"""A changed contract reaches its table: who is hit is told, queries are compared, a person approves what is risky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.change.stage import Acceptance
from groundwork.foundation.table_workflow import approval, change_column, migrating, success
from groundwork.model.errors import ConfigError, SkippableError
from groundwork.store.audit import AuditTrail
from groundwork.store.decision import Decisions
from tests.fix_postgres import Database
from tests.foundation.table_workflow.conftest import Flow
from tests.foundation.table_workflow.test_new_table import make

pytestmark = pytest.mark.postgres
_LOSS = frozenset({Acceptance.LOSS})


@pytest.fixture
def positions(flow: Flow, database: Database) -> Database:
    """`position_ownership` and the registry as the workflow makes them, with 40,000 stretches of ownership."""
    for table in ("strategies", "position_ownership"):
        make(flow, table, run=table)
        success.verify_sync(flow(table, "verify_sync", run=table))
    with database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO market.strategies (strategy_id, name, priority) VALUES (:id, 'momentum', 1)"),
            {"id": "00000000-0000-4000-8000-000000000001"},
        )
        connection.execute(
            text(
                "INSERT INTO market.position_ownership"
                " (ownership_id, strategy_id, ticker, acquired_at, lock_expires_at, released_at, release_reason)"
                " SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 'T' || n % 400,"
                " moment, moment + interval '1 day', moment + interval '2 days', 'sold'"
                " FROM generate_series(1, 40000) n, LATERAL (SELECT timestamptz '2012-01-01' + n * interval '1 minute')"
                " AS made (moment)"
            )
        )
        connection.execute(text("ANALYZE market.position_ownership"))
    return database


def run(flow: Flow, table: str, *, name: str = "change", accept: frozenset[Acceptance] = frozenset()) -> dict[str, Any]:
    """All steps up to the plan; what each found."""
    found: dict[str, Any] = {}
    for step_name, step in (
        ("compare", change_column.compare),
        ("update", change_column.update),
        ("impact_review", change_column.impact_review),
        ("model", migrating.model),
        ("migration", migrating.generate_migration),
    ):
        found[step_name] = step(flow(table, step_name, run=name, accept=accept)).found
    return found


def finish(flow: Flow, table: str, *, name: str = "change", accept: frozenset[Acceptance] = frozenset()) -> Any:
    """The steps from applying on; what the queries showed."""
    migrating.apply(flow(table, "apply", run=name, accept=accept))
    compared = change_column.query_tests(flow(table, "query_tests", run=name, accept=accept))
    success.verify_sync(flow(table, "verify_sync", run=name, accept=accept))
    return compared.found["patterns"]


def test_the_slow_query_of_position_ownership_becomes_fast(flow: Flow, positions: Database) -> None:
    with positions.engine.begin() as connection:
        connection.execute(text("DROP INDEX market.position_ownership_strategy_id_idx"))
    found = run(flow, "position_ownership")
    slow = {each["pattern"] for each in found["compare"]["patterns"] if not each["is_served"]}
    assert slow
    asked = flow("position_ownership", "approve", run="change")
    assert not approval.is_needed(asked.plan())
    approval.not_needed(asked, asked.plan())
    patterns = {each["pattern"]: each for each in finish(flow, "position_ownership")}
    for name in slow:
        before, after = patterns[name]["before"], patterns[name]["after"]
        assert before["measured_on"] == after["measured_on"] == "live table"
        assert not before["is_served"]
        assert before["scanned"] == ["position_ownership"]
        assert "position_ownership_strategy_id_idx" in after["indexes"]
        assert after["cost"] < before["cost"] / 2


def test_nothing_to_change_is_said(flow: Flow) -> None:
    make(flow, "strategies")
    with pytest.raises(SkippableError, match="nothing to change"):
        change_column.compare(flow("strategies", "compare", run="change"))


def test_a_table_that_is_not_there_is_told_to_be_made(flow: Flow) -> None:
    with pytest.raises(ConfigError, match="not there yet") as told:
        change_column.compare(flow("strategies", "compare"))
    assert told.value.next_step == "run the Dag `new_table` for it"


def test_what_loses_data_waits_for_a_person_and_only_for_what_was_shown(
    flow: Flow, database: Database, store: Engine
) -> None:
    make(flow, "strategies")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ADD COLUMN note text, ADD COLUMN remark text"))
        connection.execute(text("ALTER TABLE market.strategies DROP COLUMN remark"))
    run(flow, "strategies", accept=_LOSS)
    asked = flow("strategies", "approve", run="change", accept=_LOSS)
    plan = asked.plan()
    assert approval.is_needed(plan)
    assert "DROP COLUMN" in approval.request(asked, plan)
    with pytest.raises(ConfigError, match="needs an approval") as told:
        migrating.apply(flow("strategies", "apply", run="change", accept=_LOSS))
    assert told.value.found == "none"

    approval.shown(asked, plan)
    approval.settle(asked, plan, is_approved=True, person="person:Ada")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ADD COLUMN late text"))
    with pytest.raises(ConfigError, match="needs an approval") as told:
        migrating.apply(flow("strategies", "apply", run="change", accept=_LOSS))
    assert "of others" in str(told.value.found)
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies DROP COLUMN late"))
    finish(flow, "strategies", accept=_LOSS)
    (decision,) = [each for each in Decisions(store).latest() if each.decided_by == "person:Ada"]
    assert decision.choice == "Approve"
    assert AuditTrail(store).verify().is_intact


def test_a_rejection_changes_nothing(flow: Flow, database: Database) -> None:
    make(flow, "strategies")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ADD COLUMN note text"))
    run(flow, "strategies", accept=_LOSS)
    asked = flow("strategies", "approve", run="change", accept=_LOSS)
    approval.shown(asked, asked.plan())
    answer = approval.settle(asked, asked.plan(), is_approved=False, person="person:Ada")
    assert answer.found["is_approved"] is False
    with pytest.raises(ConfigError, match="needs an approval"):
        migrating.apply(flow("strategies", "apply", run="change", accept=_LOSS))
    assert not flow("strategies", "compare", run="change").diff().is_empty


def test_a_breaking_change_has_to_be_announced(flow: Flow, project: Path) -> None:
    make(flow, "strategies")
    success.verify_sync(flow("strategies", "verify_sync"))
    path = project / "governance" / "contracts" / "market" / "trading.odcs.yaml"
    before = path.read_text()
    path.write_text(before.replace("maximum: 1000}", "maximum: 10}"))
    change_column.compare(flow("strategies", "compare", run="change"))
    with pytest.raises(ConfigError, match="not announced") as told:
        change_column.update(flow("strategies", "update", run="change"))
    assert "2.0.0" in str(told.value.next_step)
    change_column.update(flow("strategies", "update", run="change"), allow_unannounced=True)
    path.write_text(path.read_text().replace("version: 1.0.0", "version: 2.0.0", 1))
    result = change_column.update(flow("strategies", "update", run="change"))
    assert result.found["before"] == "1.0.0"
    assert any("breaking" in reason for reason in result.reasons)


def test_who_uses_a_column_is_named(flow: Flow, project: Path, database: Database) -> None:
    make(flow, "strategies")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ALTER COLUMN priority DROP NOT NULL"))
    result = change_column.impact_review(flow("strategies", "impact_review", run="change"))
    named = {(each["kind"], each["name"]) for each in result.found["consumers"]["priority"]}
    assert ("access pattern", "strategies_by_priority") in named
    assert any(name == "strategies_priority_idx" for _, name in named)
