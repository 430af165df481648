"""A new table goes from its contract to one that is proved to work; whatever stands in the way is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from groundwork.foundation.table_workflow import approval, migrating, new_table, repository_trial, success
from groundwork.model.decision import DecisionKind
from groundwork.model.errors import ConfigError, DataQualityError
from groundwork.store.contract_version import ContractVersions
from groundwork.store.decision import Decisions
from groundwork.store.table_workflow import TableWorkflows
from tests.fix_postgres import Database
from tests.foundation.table_workflow.conftest import Flow

pytestmark = pytest.mark.postgres
_STEPS = (
    ("define", new_table.define),
    ("validate", migrating.validate),
    ("design_review", new_table.design_review),
    ("generate_migration", migrating.generate_migration),
    ("query_review", new_table.query_review),
)


def make(flow: Flow, table: str, run: str = "run") -> None:
    """All steps before the last."""
    for name, step in _STEPS:
        step(flow(table, name, run=run))
    asked = flow(table, "approve", run=run)
    approval.not_needed(asked, asked.plan())
    for name, step in (
        ("apply", migrating.apply),
        ("model", migrating.model),
        ("repository", repository_trial.repository),
    ):
        step(flow(table, name, run=run))


def test_the_strategy_registry(flow: Flow, database: Database, store: Engine) -> None:
    make(flow, "strategies")
    result = success.verify_sync(flow("strategies", "verify_sync"))
    assert [(each["criterion"], each["passed"]) for each in result.found["criteria"]] == [
        ("passes_schema_validation", True),
        ("goes_through_repository", True),
        ("has_proper_indexes", True),
        ("records_its_reasoning", True),
        ("in_sync", True),
    ]
    with database.engine.connect() as connection:
        indexes = connection.execute(text("SELECT indexname FROM pg_indexes WHERE schemaname = 'market'")).scalars()
        assert "strategies_priority_idx" in set(indexes)
        assert connection.execute(text("SELECT count(*) FROM market.strategies")).scalar_one() == 0
        views = connection.execute(text("SELECT viewname FROM pg_views WHERE schemaname = 'market_access'"))
        assert set(views.scalars()) == {"strategies"}
    recorded = [row["step"] for row in TableWorkflows(store).steps("new_table/run")]
    assert recorded == [
        "define", "validate", "design_review", "generate_migration", "query_review", "approve", "apply", "model",
        "repository", "verify_sync",
    ]  # fmt: skip
    (version,) = ContractVersions(store).newest("market", "warehouse")
    assert version["contract_id"] == "market-trading"


def test_each_design_choice_is_recorded_with_its_reason(flow: Flow, store: Engine) -> None:
    new_table.design_review(flow("strategies", "design_review"))
    decisions = {each.subject: each for each in Decisions(store).latest() if each.kind is DecisionKind.TABLE_DESIGN}
    key = decisions["market.strategies.primary_key"]
    assert key.choice == "generated_uuid"
    assert {option.name for option in key.options} == {"generated_uuid", "identity", "natural_key"}
    assert "gen_random_uuid()" in key.reasoning
    assert decisions["market.strategies.config.type"].choice == "json_document"
    assert decisions["market.strategies.row_version"].choice == "updated_at_column"
    measured = [each for each in Decisions(store).latest() if each.kind is DecisionKind.INDEX_DESIGN]
    assert [each.subject for each in measured] == ["market.strategies"]


def test_a_table_that_refers_to_a_missing_one_is_told_which(flow: Flow) -> None:
    with pytest.raises(ConfigError, match="not there yet") as told:
        new_table.define(flow("position_ownership", "define"))
    assert told.value.next_step == "run the Dag `new_table` for market.strategies first"


def test_a_table_that_is_there_in_another_form_is_left_alone(flow: Flow, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA market"))
        connection.execute(text("CREATE TABLE market.strategies (name text)"))
    with pytest.raises(ConfigError, match="another form") as told:
        new_table.define(flow("strategies", "define"))
    assert "change_column" in str(told.value.next_step)


def test_steps_can_run_again_after_the_table_is_there(flow: Flow) -> None:
    make(flow, "strategies")
    make(flow, "strategies")
    assert new_table.define(flow("strategies", "define")).found["is_there"] is True


def test_a_broken_contract_stops_before_anything_is_made(flow: Flow, project: Path, database: Database) -> None:
    path = project / "governance" / "contracts" / "market" / "trading.odcs.yaml"
    path.write_text(path.read_text().replace("columns: [priority desc]", "columns: [prioritee desc]"))
    with pytest.raises(ConfigError, match="errors") as told:
        migrating.validate(flow("strategies", "validate"))
    assert "prioritee" in str(told.value.found)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT to_regnamespace('market')")).scalar_one() is None


def test_a_pattern_that_no_index_serves_stops_the_workflow(flow: Flow, project: Path) -> None:
    path = project / "governance" / "contracts" / "market" / "trading.odcs.yaml"
    declared = path.read_text()
    query = "SELECT strategy_id, priority FROM market.strategies WHERE name = 'momentum'"
    assert query in declared
    path.write_text(declared.replace(query, query.replace("name = 'momentum'", "is_active = false")))
    with pytest.raises(ConfigError, match="no index serves") as told:
        new_table.query_review(flow("strategies", "query_review"))
    assert "strategy_by_name" in str(told.value.found)


def test_the_last_step_fails_with_a_report_when_the_table_was_changed_meanwhile(flow: Flow, database: Database) -> None:
    make(flow, "strategies")
    with database.engine.begin() as connection:
        connection.execute(text("DROP INDEX market.strategies_priority_idx"))
    with pytest.raises(DataQualityError, match="in_sync") as told:
        success.verify_sync(flow("strategies", "verify_sync"))
    assert told.value.found == "in_sync"


def test_a_run_without_a_recorded_decision_has_not_succeeded(flow: Flow) -> None:
    for name, step in (("generate_migration", migrating.generate_migration), ("apply", migrating.apply)):
        step(flow("strategies", name))
    with pytest.raises(DataQualityError, match="records_its_reasoning"):
        success.verify_sync(flow("strategies", "verify_sync"))
