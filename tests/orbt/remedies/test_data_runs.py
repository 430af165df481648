"""Remedies for data under the runner: dry runs that cannot write, runs on record, and the way back by their record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from groundwork.model.errors import DataQualityError
from groundwork.model.fault import Impact, Strike, StrikeAction, TaskTry
from groundwork.orbt.backups.make import backup
from groundwork.orbt.backups.policy import read_backup_policy
from groundwork.orbt.classify import classify
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.remedies.recover import take_back
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.orbt.response import Responder, Told
from groundwork.orbt.spool import Spool
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_steady_time import time_is_up_when
from tests.orbt.remedies.shop import Shop, make_shop
from tests.patience import is_asleep

pytestmark = pytest.mark.postgres
DATA_REMEDIES = (
    "validate_data",
    "repair_constraints",
    "clean_orphans",
    "reconcile_data",
    "restore_backup",
    "ask_for_correction",
)


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    """A shop with two orphans among its orders, and a file of its orders; its database is the store, too."""
    migrate(database.engine)
    found = make_shop(database.engine, tmp_path)
    policy = read_backup_policy(tmp_path)
    place = policy.folder(tmp_path)
    backup(found.engine, found.domain.tables, place=place, policy=policy, now=datetime(2026, 3, 1, tzinfo=UTC))
    (tmp_path / "orders.csv").write_text("id,customer_id,code,amount,written_at,payload\n1,1,c1,1.5,,\n")
    found.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_id_fkey",
        "DELETE FROM shop.customers WHERE id > 3",
    )
    return found


def test_a_dry_run_tells_and_changes_nothing(shop: Shop) -> None:
    before, constraints = shop.image(), shop.constraints()
    for name in DATA_REMEDIES:
        told = dry_run(name, shop.scene(store=shop.engine))
        assert told.report.startswith("would: "), (name, told.report)
    assert (shop.image(), shop.constraints()) == (before, constraints)
    assert shop.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'groundwork_%'") == []


def test_a_run_is_undone_from_its_record(shop: Shop) -> None:
    before, constraints = shop.image(), shop.constraints()
    result = run("repair_constraints", shop.scene(store=shop.engine))
    assert result.is_done, result.report
    assert "2 of shop.orders" in result.report
    (row,) = RemedyRuns(shop.engine).latest()
    assert len(shop.held()) == 6
    back = take_back(shop.engine, row["id"], lambda _: shop.engine, shop.project, shop.project)
    assert back.is_undone, back.report
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_a_repair_that_takes_too_long_is_stopped_and_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_is_up_when(monkeypatch, lambda: is_asleep(shop.engine))
    policy = shop.project / "governance" / "policies" / "remedies.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text("kind: remedies\nversion: 1.0.0\nremedies: {clean_orphans: {seconds: 2}}\n")
    shop.sql(
        "CREATE FUNCTION shop.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(600); RETURN OLD; END $$",
        "CREATE TRIGGER wait BEFORE DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.wait()",
    )
    before, constraints = shop.image(), shop.constraints()
    result = run("clean_orphans", shop.scene(store=shop.engine))
    assert not result.is_done
    assert "was not done in 2 s" in result.report
    assert "no row had been moved" in result.report
    assert all(change.is_undone for change in result.changes)
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_a_person_is_asked_by_the_last_of_them(shop: Shop) -> None:
    result = run("ask_for_correction", shop.scene(store=shop.engine))
    assert result.is_done
    assert result.asks_person
    assert "2 break references:customer_id (id=4; id=5)" in result.report


def test_the_first_strike_mends_and_the_second_asks_a_person_with_evidence(shop: Shop) -> None:
    patterns = read_patterns(Path(__file__).resolve().parents[3] / "governance" / "patterns")
    responder = Responder(
        store=lambda: shop.engine,
        engine_of=lambda _: shop.engine,
        target="warehouse",
        patterns=patterns,
        spool=Spool(shop.project / "spool"),
        project=shop.project,
        home=shop.project,
    )
    error = DataQualityError("orders without customer", where="shop.orders")
    fault = classify(error, patterns)

    def strike(number: int) -> Strike:
        task_try = TaskTry(dag_id="report", run_id="r1", task_id="sum", try_number=number)
        impact = Impact(domain="shop", assets=("shop.orders",))
        return responder.respond(fault, task_try, impact, has_try_left=number < 3, told=Told(error=error)).strike

    first = strike(1)
    assert first.action is StrikeAction.RETRY
    assert [(each.remedy, each.is_done) for each in first.remedies] == [
        ("validate_data", True),
        ("repair_constraints", True),
        ("clean_orphans", False),
    ]
    assert shop.rows("SELECT count(*) FROM shop.orders WHERE customer_id > 3") == [(0,)]
    second = strike(2)
    assert second.action is StrikeAction.ASK_PERSON
    reports = {each.remedy: each.report for each in second.remedies}
    assert "of 1 rows 0 missing" in reports["reconcile_data"]
    assert "2 rows only in the backup, 0 only in the table, 0 different, 3 the same" in reports["restore_backup"]
    assert "2 rows are held in quarantine" in reports["ask_for_correction"]
