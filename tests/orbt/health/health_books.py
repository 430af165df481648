"""A store and a warehouse in one database with loads, strikes and incidents, for tests of states and health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.flow import ledger
from groundwork.flow.quarantine.replay_ledger import REPLAY
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
from groundwork.store.incident import Incidents, OpenedIncident
from groundwork.store.strike import Strikes

CONTRACTS = Path(__file__).resolve().parents[3] / "governance" / "contracts"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES, PIPELINE = "market.stock_prices", "load_market__stock_prices"


def market() -> Domain:
    """The domain market as it is declared."""
    return read_domain("market", CONTRACTS)


def loads(
    warehouse: Engine,
    count: int,
    *,
    table: str = "stock_prices",
    until: datetime = NOW - timedelta(hours=1),
    every: timedelta = timedelta(days=1),
    seconds: float = 30.0,
    read: int = 100,
    **values: Any,
) -> None:
    """Books of `count` loads, one run each, the newest ending at `until`."""
    rows = []
    for number in range(count):
        ended = until - (count - 1 - number) * every
        rows.append(
            {
                "run_id": f"{table}-{ended.isoformat()}",
                "schema_name": "market",
                "table_name": table,
                "source": "a file",
                "mode": "append",
                "state": "finished",
                "read": read,
                "loaded": read,
                "started_at": ended - timedelta(seconds=seconds),
                "finished_at": ended,
                **values,
            }
        )
    with warehouse.begin() as connection:
        ledger.ensure(connection)
        REPLAY.create(connection, checkfirst=True)
        if rows:
            connection.execute(ledger.LOAD.insert(), rows)


def all_loaded(warehouse: Engine, count: int = 8, *, without: str = "") -> None:
    """Every table of the domain with `count` good loads."""
    for table in market().tables:
        if table.name != without:
            loads(warehouse, count, table=table.name)


def strike(
    store: Engine,
    *,
    dag_id: str = PIPELINE,
    run_id: str = "r1",
    try_number: int = 1,
    action: StrikeAction = StrikeAction.RETRY,
    at: datetime = NOW - timedelta(minutes=5),
    table: str | None = None,
    domain: str = "market",
    circumstances: Circumstances | None = None,
) -> Strike:
    """A strike that is kept; a retry is pending until something follows."""
    made = Strike(
        task_try=TaskTry(dag_id=dag_id, run_id=run_id, task_id="load", try_number=try_number),
        fault=Fault(fault_class="connection_failures", exception="OperationalError", message="gone"),
        impact=Impact(domain=domain),
        number=try_number,
        action=action,
        reason="a test",
        at=at,
        delay_seconds=5.0 if action is StrikeAction.RETRY else None,
        circumstances=circumstances or Circumstances(table=table),
    )
    Strikes(store).record(made)
    return made


def incident(
    store: Engine, *, dag_id: str = PIPELINE, run_id: str = "r1", answer: Answer | None = None
) -> OpenedIncident:
    """An open incident, or one that was answered."""
    report = EscalationReport(
        domain="market",
        issue_type="connection_failures",
        business_impact="none",
        cross_domain_impact="none",
        recommended_action=Answer.RETRY,
        urgency_level=Urgency.HIGH,
    )
    opened = Incidents(store).open(
        Opening(
            cause=f"task:connection_failures:{dag_id}/load",
            subject=f"{dag_id}.load",
            fault_class="connection_failures",
            what="opened",
            at=NOW - timedelta(minutes=5),
            report=report,
            assessment=Assessment(severity=Severity.HIGH),
            task_try=TaskTry(dag_id=dag_id, run_id=run_id, task_id="load", try_number=3),
        )
    )
    if answer is not None:
        Incidents(store).answer(opened.id, answer, "somebody")
    return opened
