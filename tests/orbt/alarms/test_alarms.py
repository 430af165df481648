"""Alarms: each rule fires on a fact that is really recorded, and stays quiet on its healthy neighbour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.model.policy import Effect, PolicyVerdict
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.orbt.alarms.rules import Alarm, AlarmKind, AlarmPolicy, alarm_of, read_alarm_policy
from groundwork.orbt.alarms.scan import scan
from groundwork.store.api_key import ApiKeys
from groundwork.store.api_usage import ApiUsage
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.migrate import migrate
from groundwork.store.policy_verdict import PolicyVerdicts
from groundwork.store.quality import QualityResults
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

POLICIES = Path(__file__).parents[3] / "governance" / "policies"
_TRY = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=1)
Fact = Callable[[Engine], None]


@pytest.fixture(scope="module")
def policy() -> AlarmPolicy:
    return read_alarm_policy(POLICIES)


def at_strike(policy: AlarmPolicy, message: str = "gone", sqlstate: str | None = None, **where: str) -> Alarm | None:
    fault = Fault(
        fault_class=where.get("fault_class", "data_integrity_issues"), exception="E", message=message, sqlstate=sqlstate
    )
    task_try = TaskTry(dag_id=where.get("dag_id", "load"), run_id="r1", task_id="prices", try_number=1)
    return alarm_of(policy, fault, task_try, Impact(domain="market"))


@pytest.mark.parametrize(
    ("failure", "rule", "kind"),
    [
        ({"sqlstate": "XX001"}, "data_corrupted", AlarmKind.DATA_LOSS),
        ({"message": "ERROR: invalid page in block 7 of relation base/1/2"}, "damaged_pages", AlarmKind.DATA_LOSS),
        ({"dag_id": "governance"}, "governance_blocked", AlarmKind.VIOLATION),
        ({"message": "the audit trail is append-only: UPDATE refused"}, "audit_trail_attacked", AlarmKind.COMPROMISE),
    ],
)
def test_a_failure_that_is_an_alarm(policy: AlarmPolicy, failure: dict[str, str], rule: str, kind: AlarmKind) -> None:
    found, subject = at_strike(policy, **failure), f"{failure.get('dag_id', 'load')} / prices"
    assert found is not None
    assert (found.rule, found.kind, found.domain, found.subject) == (rule, kind, "market", subject)
    assert found.next_step


@pytest.mark.parametrize(
    "failure",
    [
        {"sqlstate": "23505"},
        {"message": "connection refused", "fault_class": "connection_failures"},
        {"dag_id": "governance", "fault_class": "connection_failures"},
    ],
)
def test_other_failures_take_their_strikes(policy: AlarmPolicy, failure: dict[str, str]) -> None:
    assert at_strike(policy, **failure) is None


def test_an_asset_of_the_business_alarms_from_its_second_strike() -> None:
    rule = {"name": "stopped", "kind": AlarmKind.BUSINESS, "next_step": "n", "assets": ["*prices*"], "from_strike": 2}
    policy = AlarmPolicy.model_validate({"kind": "alarms", "version": "1", "at_strikes": [rule]})
    fault = Fault(fault_class="slow_queries", exception="E", message="m")
    prices = Impact(domain="market", assets=("groundwork://market/stock_prices",))
    assert alarm_of(policy, fault, _TRY, prices, number=1) is None
    assert alarm_of(policy, fault, _TRY, prices, number=2) is not None
    assert alarm_of(policy, fault, _TRY, Impact(domain="market", assets=("x",)), number=2) is None
    assert alarm_of(policy, fault, _TRY, Impact(domain="market"), number=2, circumstances=Circumstances()) is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"name": "a", "kind": "data_loss", "next_step": "n"}, "every failure an alarm"),
        (
            {"name": "a", "kind": "data_loss", "next_step": "n", "messages": ["("]},
            "no regular expression|not a regular",
        ),
        ({"name": "a", "kind": "nonsense", "next_step": "n", "sqlstates": ["XX001"]}, "kind"),
        ({"name": "a", "kind": "data_loss", "next_step": "n", "sqlstates": ["XX001"], "typo": 1}, "typo"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(tmp_path: Path, rule: dict[str, object], words: str) -> None:
    (tmp_path / "alarms.yaml").write_text(f"kind: alarms\nversion: '1'\nat_strikes: [{rule}]\n")
    with pytest.raises(ConfigError, match=words):
        read_alarm_policy(tmp_path)


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    rule = "{name: a, kind: breach, next_step: n, watch: audit_chain}"
    (tmp_path / "alarms.yaml").write_text(f"kind: alarms\nversion: '1'\nin_store: [{rule}, {rule}]\n")
    with pytest.raises(ConfigError, match="two rules are called a"):
        read_alarm_policy(tmp_path)


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def verdict(policy: str, *, passed: bool = False, effect: Effect = Effect.BLOCK) -> Fact:
    made = PolicyVerdict(
        policy=policy, policy_version="1", rule="leak", subject="market.orders.buyer", passed=passed, effect=effect,
        expected="masked", found="in clear",
    )  # fmt: skip
    return lambda store: PolicyVerdicts(store).record("run 1", "market", "verify", [made])


def passed_since(policy: str) -> Fact:
    def record(store: Engine) -> None:
        verdict(policy)(store)
        good = verdict(policy, passed=True)
        good(store)

    return record


def checked(kind: CheckKind, *, passed: bool) -> Fact:
    check = Check(id=f"market.orders.{kind}", schema="market", table="orders", kind=kind, dimension=Dimension.ACCURACY)
    result = CheckResult(
        check=check, passed=passed, engine="sql", expected="all rows of the source", observed="7 rows are missing"
    )
    return lambda store: QualityResults(store).record("run 1", "market", "scheduled", [result], [])


def scored(*rows: int | None, accuracy: tuple[float, ...] = (), table: str = "orders") -> Fact:
    def record(store: Engine) -> None:
        book = QualityResults(store)
        for number, count in enumerate(rows):
            pct = accuracy[number] if accuracy else 100.0
            check = Check(
                id=f"market.{table}.any", schema="market", table=table, kind=CheckKind.EXPRESSION,
                dimension=Dimension.ACCURACY,
            )  # fmt: skip
            result = CheckResult(check=check, passed=True, engine="sql", expected="e", observed="o")
            score = TableScore(
                schema="market", table=table, row_count=count, dimensions={Dimension.ACCURACY: pct},
                overall_pct=pct, check_count=1, failed_count=0,
            )  # fmt: skip
            book.record(f"run {number}", "market", "scheduled", [result], [score])

    return record


def audited(action: str, times: int = 1, subject: str | None = None) -> Fact:
    def record(store: Engine) -> None:
        for number in range(times):
            AuditTrail(store).append(actor="api:k1", action=action, subject=subject or f"market/orders {number}")

    return record


def tampered(store: Engine) -> None:
    audited("row_created", 3)(store)
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE groundwork.audit_event SET actor = 'nobody' WHERE sequence = 2"))


def read(today: int, *before: int) -> Fact:
    def record(store: Engine) -> None:
        key = ApiKeys(store).issue(name="desk", role="analyst", by="test").key
        now = datetime.now(UTC).date()
        for ago, rows in enumerate((today, *before)):
            ApiUsage(store).add(now - timedelta(days=ago), {(key.key_id, "market/orders"): (1, rows)})

    return record


def struck(fault_class: str, *tasks: str) -> Fact:
    def record(store: Engine) -> None:
        for task_id in tasks:
            strike = Strike(
                task_try=TaskTry(dag_id="load", run_id="r1", task_id=task_id, try_number=1),
                fault=Fault(fault_class=fault_class, exception="E", message="m"),
                impact=Impact(domain="market"),
                number=1,
                action=StrikeAction.RETRY,
                reason="r",
                at=utc_now(),
            )
            Strikes(store).record(strike)

    return record


FIRES = {
    "audit_chain_broken": tampered,
    "masked_data_leaks": verdict("masking", effect=Effect.WARN),
    "policy_blocks": verdict("access"),
    "rows_differ_from_the_source": checked(CheckKind.RECONCILIATION, passed=False),
    "rows_vanished": scored(1000, 1010, 1020, 400),
    "accuracy_fell": scored(10, 10, 10, 10, accuracy=(99.0, 98.0, 99.0, 80.0)),
    "promise_missed": audited("freshness_promise_missed"),
    "many_denials": audited("access_denied", 20),
    "reads_surge": read(2_000_000, 1000, 1200, 900),
    "many_tasks_are_slow": struck("slow_queries", "a", "b", "c"),
    "sharing_fails": audited("sharing_failed", 6, subject="lineage: lineage_backend"),
}
QUIET = {
    "audit_chain_broken": audited("row_created", 3),
    "masked_data_leaks": passed_since("masking"),
    "policy_blocks": verdict("access", effect=Effect.WARN),
    "rows_differ_from_the_source": checked(CheckKind.RECONCILIATION, passed=True),
    "rows_vanished": scored(1000, 1010, 1020, 990),
    "accuracy_fell": scored(10, 10, 10, accuracy=(99.0, 98.0, 80.0), table="others"),
    "promise_missed": audited("row_created"),
    "many_denials": audited("access_denied", 19),
    "reads_surge": read(90_000, 1000, 1200, 900),
    "many_tasks_are_slow": struck("slow_queries", "a", "b"),
    "sharing_fails": audited("sharing_failed", 5, subject="lineage: lineage_backend"),
}


def rules(store: Engine, policy: AlarmPolicy, now: datetime | None = None) -> list[str]:
    found, failed = scan(store, policy, now or utc_now())
    assert failed == ()
    return [each.rule for each in found]


def test_every_rule_over_the_store_is_tried(policy: AlarmPolicy) -> None:
    assert {rule.name for rule in policy.in_store} == FIRES.keys() == QUIET.keys()


@pytest.mark.postgres
@pytest.mark.parametrize("name", FIRES)
def test_a_rule_fires_on_its_fact_and_forgets_an_old_one(store: Engine, policy: AlarmPolicy, name: str) -> None:
    FIRES[name](store)
    assert rules(store, policy) == [name]
    later = rules(store, policy, utc_now() + timedelta(days=2))
    assert later == (["audit_chain_broken"] if name == "audit_chain_broken" else [])


@pytest.mark.postgres
def test_no_rule_fires_on_healthy_facts(store: Engine, policy: AlarmPolicy) -> None:
    assert rules(store, policy) == []
    for name, record in QUIET.items():
        record(store)
        assert name not in rules(store, policy), name


@pytest.mark.postgres
def test_a_rule_that_cannot_look_is_told_and_holds_up_no_other(store: Engine, policy: AlarmPolicy) -> None:
    verdict("access")(store)
    with store.begin() as connection:
        connection.execute(text("DROP TABLE groundwork.api_usage"))
    found, failed = scan(store, policy, utc_now())
    assert failed == ("reads_surge",)
    assert [each.rule for each in found] == ["policy_blocks"]


@pytest.mark.postgres
def test_strikes_are_chosen_by_dag_and_outcome(store: Engine) -> None:
    struck("slow_queries", "a")(store)

    def found(**chosen: object) -> list[str]:
        rule = {"name": "s", "kind": "failed_sharing", "next_step": "n", "watch": "strikes", "tasks": 1, **chosen}
        return rules(store, AlarmPolicy.model_validate({"kind": "alarms", "version": "1", "in_store": [rule]}))

    assert found(dags=["lo*"]) == found(dags=["load"], outcomes=["pending"]) == ["s"]
    assert found(dags=["other"]) == found(dags=["load"], outcomes=["escalated"]) == []
