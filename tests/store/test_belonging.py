"""Whose strikes and incidents are: of the domain that they name, of those that live on what failed, or of nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from groundwork.model.fault import (
    Answer,
    Circumstances,
    EscalationReport,
    Fault,
    Impact,
    Strike,
    StrikeAction,
    TaskTry,
    Urgency,
)
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.store.belonging import Belongings, Estate
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MARKET = Estate(domain="market", connections=frozenset({"warehouse", "feed"}))
FLIGHTS = Estate(domain="flights", connections=frozenset({"warehouse"}))


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def strike(
    store: Database,
    dag_id: str,
    target: str | None = None,
    *,
    domain: str | None = None,
    is_guessed: bool = False,
    action: StrikeAction = StrikeAction.RETRY,
    at: datetime = NOW,
    run_id: str = "r",
) -> TaskTry:
    task_try = TaskTry(dag_id=dag_id, run_id=run_id, task_id="t", try_number=1)
    made = Strike(
        task_try=task_try,
        fault=Fault(fault_class="unknown", exception="E", message="m"),
        impact=Impact(domain=domain or dag_id),
        number=1,
        action=action,
        reason="r",
        at=at,
        circumstances=Circumstances(target=target, is_target_guessed=is_guessed),
    )
    Strikes(store.engine).record(made)
    return task_try


def incident(
    store: Database, cause: str, domain: str, target: str | None = None, severity: Severity = Severity.HIGH
) -> None:
    report = EscalationReport(
        domain=domain,
        issue_type="x",
        business_impact="none",
        cross_domain_impact="none",
        recommended_action=Answer.RETRY,
        urgency_level=Urgency.HIGH,
    )
    opening = Opening(
        cause=cause, fault_class="x", report=report, assessment=Assessment(severity=severity), what="w", at=NOW,
        subject=cause, target=target,
    )  # fmt: skip
    Incidents(store.engine).open(opening)


def test_a_strike_belongs_where_its_domain_or_what_it_failed_on_is(store: Database) -> None:
    strike(store, "load", domain="market")
    strike(store, "on_warehouse", "warehouse")
    strike(store, "on_feed", "feed")
    strike(store, "load_flights", "warehouse", domain="flights")
    strike(store, "guessed", "warehouse", is_guessed=True)
    strike(store, "on_shop", "shop")
    strike(store, "nothing_known")
    belongings = Belongings(store.engine, [MARKET, FLIGHTS])
    owned = {each.domain: [row["dag_id"] for row in belongings.strikes(each, limit=9)] for each in (MARKET, FLIGHTS)}
    assert owned == {"market": ["on_feed", "on_warehouse", "load"], "flights": ["load_flights", "on_warehouse"]}
    told = [row["dag_id"] for row in belongings.elsewhere_dags(NOW - timedelta(days=1))]
    assert told == ["guessed", "nothing_known", "on_shop"]


def test_what_happened_elsewhere_is_counted_by_dag_and_day(store: Database) -> None:
    healed = strike(store, "one", run_id="a")
    Strikes(store.engine).healed(healed)
    strike(store, "two", run_id="a", action=StrikeAction.ASK_PERSON)
    strike(store, "two", run_id="b")
    strike(store, "one", run_id="old", at=NOW - timedelta(days=2))
    rows = Belongings(store.engine, [MARKET]).elsewhere_dags(NOW - timedelta(days=1))
    assert [dict(row) for row in rows] == [
        {"dag_id": "two", "strikes": 2, "healed": 0, "escalated": 1},
        {"dag_id": "one", "strikes": 1, "healed": 1, "escalated": 0},
    ]
    assert len(Belongings(store.engine, []).elsewhere_dags(NOW - timedelta(days=9))) == 2


def test_an_incident_of_a_shared_connection_belongs_to_all_who_live_on_it(store: Database) -> None:
    incident(store, "target:connection_failures:warehouse", "flights", "warehouse")
    incident(store, "task:unknown:load_flights/t", "flights", "warehouse")
    incident(store, "task:data:team/t", "team", "warehouse", Severity.CRITICAL)
    incident(store, "task:unknown:market/t", "market")
    incident(store, "task:unknown:team/u", "team", "shop", Severity.LOW)
    incident(store, "task:unknown:team/v", "team", severity=Severity.CRITICAL)
    belongings = Belongings(store.engine, [MARKET, FLIGHTS])
    assert {row["cause"] for row in belongings.incidents(MARKET, limit=9)} == {
        "target:connection_failures:warehouse",
        "task:data:team/t",
        "task:unknown:market/t",
    }
    assert belongings.incidents(MARKET, limit=1)[0]["cause"] == "task:data:team/t", "the worst one comes first"
    assert len(belongings.incidents(FLIGHTS, limit=9)) == 3
    assert belongings.elsewhere_open() == {"critical": 1, "low": 1}
