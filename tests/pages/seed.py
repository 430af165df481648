"""Rows for the pages to show, written through the repositories that the engines use."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import Engine

from groundwork.flow import ledger
from groundwork.model.checks import Check, CheckResult
from groundwork.model.decision import Decision, DecisionKind, Option, Verdict
from groundwork.model.detection import ClassificationComparison, Detection
from groundwork.model.evidence import CriterionResult
from groundwork.model.fault import (
    Answer,
    Change,
    EscalationReport,
    Fault,
    Impact,
    RemedyResult,
    Strike,
    StrikeAction,
    TaskTry,
    Urgency,
)
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.model.operation import Operation
from groundwork.model.policy import Effect, PolicyVerdict
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import CheckKind, Classification, Dimension, Phase
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults
from groundwork.store.decision import Decisions
from groundwork.store.foundation import FoundationRuns
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.policy_verdict import PolicyVerdicts
from groundwork.store.quality import QualityResults
from groundwork.store.report import Reports
from groundwork.store.strike import Strikes

RUN = "manual__2026-11-21T02:12:44.123456+00:00"
CAUSE = "the index `stock_prices_price_date_idx` is missing: somebody dropped it by hand"
STEP = "Run `groundwork compare-to-db market`, then start the Dag `data_foundation` again"


def evidence(criterion: str, *, passed: bool = True, found: str | None = None) -> CriterionResult:
    """The evidence of one criterion."""
    return CriterionResult(
        criterion=criterion,
        passed=passed,
        expected=f"{criterion} as declared",
        found=found or ("all as declared" if passed else "2 of 18 patterns read the whole table"),
        how_measured="asked of the live system",
        operation=Operation(project="market", name=criterion, step=7, kind="schema"),
        likely_cause=None if passed else CAUSE,
        next_step=None if passed else STEP,
        details={"patterns": [{"pattern": "prices_of_one_day", "rows": 12153, "index": None}], "calls": 300},
    )


def successful_run(store: Engine, run_id: str = RUN) -> None:
    """A run in which every criterion holds."""
    runs = FoundationRuns(store)
    runs.start(run_id, "market", "warehouse", is_dry_run=False)
    for phase in Phase:
        runs.start_phase(run_id, phase)
        for criterion in phase.criteria:
            runs.record(run_id, "market", phase, evidence(criterion))
        runs.finish_phase(run_id, phase, is_success=True)
    runs.finish(run_id, is_success=True)


def running_run(store: Engine, run_id: str = RUN) -> None:
    """A run in its second phase."""
    runs = FoundationRuns(store)
    runs.start(run_id, "market", "warehouse", is_dry_run=False)
    runs.start_phase(run_id, Phase.SCHEMA_DESIGN)
    for criterion in Phase.SCHEMA_DESIGN.criteria:
        runs.record(run_id, "market", Phase.SCHEMA_DESIGN, evidence(criterion))
    runs.finish_phase(run_id, Phase.SCHEMA_DESIGN, is_success=True)
    runs.start_phase(run_id, Phase.DATA_ACCESS_LAYER)
    runs.record(run_id, "market", Phase.DATA_ACCESS_LAYER, evidence("APIs_functional"))


def failed_run(store: Engine, run_id: str = RUN, found: str | None = None) -> None:
    """A run that the first gate stopped."""
    runs = FoundationRuns(store)
    runs.start(run_id, "market", "warehouse", is_dry_run=False)
    runs.start_phase(run_id, Phase.SCHEMA_DESIGN)
    for criterion in Phase.SCHEMA_DESIGN.criteria:
        is_bad = criterion == "indexes_optimized"
        result = evidence(criterion, passed=not is_bad, found=found if is_bad else None)
        runs.record(run_id, "market", Phase.SCHEMA_DESIGN, result)
    runs.finish_phase(run_id, Phase.SCHEMA_DESIGN, is_success=False)
    runs.finish(run_id, is_success=False)


def loads(warehouse: Engine, quarantined: int = 3) -> None:
    """The books of two loads."""
    books = {"run_id": RUN, "schema_name": "market", "source": "a file", "mode": "append", "state": "finished"}
    rows = {"stock_prices": (12_153, quarantined), "dividend_aristocrats": (69, 0)}
    with warehouse.begin() as connection:
        ledger.ensure(connection)
        for table, (read, rejected) in rows.items():
            counts = {"read": read, "loaded": read - rejected, "quarantined": rejected}
            statement = ledger.LOAD.insert().values(**books, table_name=table, finished_at=datetime.now(UTC), **counts)
            connection.execute(statement)


def scores(store: Engine, table: str = "stock_prices", *, failing: int = 0, run_id: str = RUN) -> None:
    """One measurement of one table."""
    check = Check(
        id=f"{table}.volume.between",
        schema="market",
        table=table,
        columns=("volume",),
        kind=CheckKind.BETWEEN,
        dimension=Dimension.VALIDITY,
    )
    result = CheckResult(
        check=check,
        passed=not failing,
        engine="sql",
        expected="at least 0",
        observed=f"{failing} rows below 0",
        failing_count=failing,
        row_count=100,
    )
    share = 100.0 - failing
    score = TableScore(
        schema="market",
        table=table,
        row_count=100,
        dimensions={dimension: share if dimension is Dimension.VALIDITY else None for dimension in Dimension},
        overall_pct=share,
        check_count=1,
        failed_count=int(bool(failing)),
    )
    QualityResults(store).record(run_id, "market", "after_load", [result], [score])


def incident(store: Engine, fault_class: str = "connection_failures", severity: Severity = Severity.HIGH) -> UUID:
    """An incident that waits for a person, with the strike that opened it."""
    task_try = TaskTry(dag_id="data_foundation", run_id=RUN, task_id="data_integration.load", try_number=3)
    report = EscalationReport(
        domain="market",
        issue_type=fault_class,
        business_impact="Prices of today are missing.",
        attempted_solutions=("strike 1: the pool was reset",),
        specialist_recommendations=("Is the server up?",),
        cross_domain_impact="none",
        recommended_action=Answer.RETRY,
        urgency_level=Urgency.HIGH,
    )
    now = datetime.now(UTC)
    strike = Strike(
        task_try=task_try,
        fault=Fault(fault_class=fault_class, exception="psycopg.OperationalError", message="gone <script>"),
        impact=Impact(domain="market"),
        number=3,
        action=StrikeAction.ASK_PERSON,
        reason="the third strike",
        at=now,
        remedies=(
            RemedyResult(
                remedy="reset_connections",
                is_done=True,
                report="pool dropped",
                changes=(Change(what="one session ended", facts={"pid": 17}),),
            ),
        ),
    )
    Strikes(store).record(strike)
    opened = Incidents(store).open(
        Opening(
            cause=f"target:{fault_class}:warehouse",
            fault_class=fault_class,
            report=report,
            assessment=Assessment(
                severity=severity, reasons=("read by dbt exposure data_api",), owners=("market-data",)
            ),
            what="the third strike",
            at=now,
            task_try=task_try,
            target="warehouse",
        )
    )
    return opened.id


def alike_incidents(store: Engine, count: int, severity: Severity = Severity.LOW, **columns: object) -> None:
    """Open incidents that differ in their cause only, all opened now; `columns` are set in each."""
    known, name = incident(store, "unknown", severity), f"alike:{uuid.uuid4()}"
    first = {**Incidents(store).get(known), **columns, "cause": name}
    rows = [{**first, "id": uuid.uuid4(), "cause": f"{name}:{number}"} for number in range(1, count)]
    with store.begin() as connection:
        connection.execute(INCIDENT.update().where(INCIDENT.c.id == known).values(**columns, cause=name))
        connection.execute(INCIDENT.insert(), rows)


def decisions(store: Engine, count: int = 7) -> None:
    """Decisions about as many tables."""
    for number in range(count):
        decision = Decision(
            id=uuid.uuid4(),
            kind=DecisionKind.INDEX_DESIGN,
            subject=f"market.table_{number}",
            specialist="index_design",
            options=(
                Option(name="keep_declared", description="Every pattern has its index.", measured={"cost": 8.3}),
                Option(name="add_index", description="One more index.", statements=("CREATE INDEX …",)),
            ),
            evidence={"rows": 12_153},
            choice="keep_declared",
            reasoning="Both patterns use an index: the primary key serves `prices_of_one_ticker`.",
            confidence=0.95,
            decided_by="rules",
            verdicts=(Verdict(guardrail="choice_is_an_option", passed=True, reason="it is one of 2"),),
            operation_id="DATA.MARKET.INDEX_DESIGN.GROUNDWORK.20000.004",
            run_id=RUN,
            decided_at=datetime.now(UTC),
        )
        Decisions(store).record(decision)


def governance(store: Engine) -> None:
    """A comparison of classifications and the verdicts of policies, each with one difference."""
    columns = ("author_email", "title", "body")
    ClassificationResults(store).record(
        RUN, "market", [_comparison(column, agrees=column != "author_email") for column in columns]
    )
    verdicts = [
        PolicyVerdict(
            policy="masking",
            policy_version="1",
            rule="personal_data_is_masked",
            subject=f"market.news_articles.{column}",
            passed=column != "author_email",
            effect=Effect.BLOCK,
            expected="a mask",
            found="a mask" if column != "author_email" else "none",
            next_step="Declare `masking` for the column",
        )
        for column in columns
    ]
    PolicyVerdicts(store).record(RUN, "market", "masking", verdicts)


def _comparison(column: str, *, agrees: bool) -> ClassificationComparison:
    return ClassificationComparison(
        detection=Detection(
            schema="market",
            table="news_articles",
            column=column,
            personal_data=None,
            classification=Classification.INTERNAL if agrees else Classification.RESTRICTED,
            confidence=0.98,
        ),
        declared_personal_data=None,
        declared_classification=Classification.INTERNAL,
        difference=None if agrees else "declared internal, the evidence demands restricted",
        evidence=() if agrees else ("value: e-mail address (100% of sampled values)",),
    )


def report(store: Engine, markdown: str) -> None:
    """A daily report."""
    Reports(store).keep(
        domain="market", kind="daily", report_date=date(2026, 11, 21), markdown=markdown, fields={"domain": "market"}
    )


def events(store: Engine, count: int = 3) -> None:
    """Events in the audit trail."""
    trail = AuditTrail(store)
    for number in range(count):
        trail.append(actor="test", action="migration_applied", subject=f"warehouse:market.table_{number}")


def everything(store: Engine, warehouse: Engine) -> None:
    """Something in every block."""
    successful_run(store)
    loads(warehouse)
    for number, failing in enumerate((0, 3, 1, 0)):
        scores(store, run_id=f"{RUN}-{number}")
        scores(store, "dividend_aristocrats", failing=failing, run_id=f"{RUN}-{number}")
    incident(store)
    decisions(store)
    governance(store)
    events(store)
    report(store, "# Market\n\nAll **nine** criteria hold.\n\n| table | rows |\n|---|--:|\n| stock_prices | 12,153 |\n")
