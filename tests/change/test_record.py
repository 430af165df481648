"""Each migration leaves its record: the plan, every statement with what became of it, and the audit trail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.change.apply import migrate_domain
from groundwork.change.stage import Stage
from groundwork.model.errors import DataQualityError
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from groundwork.store.migration import Migrations
from tests.contracts.samples import shop
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database: Database) -> Iterator[Engine]:
    """The store lives in the same database here, in its own schema."""
    engine = create_engine(database.url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_migration_is_written_down_and_audited(database: Database, store: Engine) -> None:
    outcome = migrate_domain(database.engine, shop(), store_engine=store, actor="data_foundation.apply")
    migrations = Migrations(store)
    (migration,) = migrations.latest("shop")
    assert (migration["id"], migration["state"]) == (outcome.migration_id, "applied")
    assert migration["actor"] == "data_foundation.apply"
    assert migration["plan"]["stages"][0]["what"] == "create 2 tables: customers, sales"
    statements = migrations.statements(migration["id"])
    assert [row["sql"] for row in statements] == list(outcome.plan.statements)
    assert {row["state"] for row in statements} == {"done"}
    events = AuditTrail(store).latest()
    assert [event["action"] for event in events] == ["migration_applied", "migration_stage_applied"]
    assert events[0]["operation_id"] == "DATA.SHOP.APPLY_MIGRATION.GROUNDWORK.20000.001"
    assert events[0]["section"] == "data.operations.migrations"
    assert AuditTrail(store).verify().is_intact


def test_nothing_to_do_and_dry_runs_leave_no_record(database: Database, store: Engine) -> None:
    migrate_domain(database.engine, shop(), store_engine=store, dry_run=True)
    assert Migrations(store).latest("shop") == []
    migrate_domain(database.engine, shop(), store_engine=store)
    migrate_domain(database.engine, shop(), store_engine=store)
    assert len(Migrations(store).latest("shop")) == 1


def test_a_failure_says_which_statement_and_what_was_rolled_back(database: Database, store: Engine) -> None:
    def fail(_stage: Stage, sql: str) -> None:
        if sql.startswith("COMMENT"):
            raise RuntimeError("stopped for the test")

    with pytest.raises(RuntimeError):
        migrate_domain(database.engine, shop(), store_engine=store, observer=fail)
    (migration,) = Migrations(store).latest("shop")
    assert (migration["state"], migration["error"]) == ("failed", "stopped for the test")
    states = {row["state"] for row in Migrations(store).statements(migration["id"])}
    assert states == {"rolled back"}
    assert AuditTrail(store).latest(1)[0]["action"] == "migration_failed"


def test_a_statement_outside_a_transaction_stays_done_when_a_later_one_fails(database: Database, store: Engine) -> None:
    migrate_domain(database.engine, shop())
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE shop.customers DROP CONSTRAINT customers_code_check")
        connection.exec_driver_sql("INSERT INTO shop.customers (code, joined_date) VALUES (19, '2024-01-01')")
    with pytest.raises(DataQualityError):
        migrate_domain(database.engine, shop(), store_engine=store)
    (migration,) = Migrations(store).latest("shop")
    rows = Migrations(store).statements(migration["id"])
    assert [row["state"] for row in rows] == ["done", "failed"]
    assert "customers_code_check" in rows[1]["error"]
