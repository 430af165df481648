"""How bad an incident is, from the contracts, dbt project and Dags of this repository and of broken ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry, Urgency
from groundwork.model.incident import Severity
from groundwork.orbt.incidents.escalation_in_force import BUILT_IN
from groundwork.orbt.incidents.escalation_policy import NOTHING, EscalationPolicy, read_escalation_policy
from groundwork.orbt.incidents.severity import assess, raised_by_joins, urgency_of

_PROJECT = Path(__file__).parents[3]
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _strike(*assets: str, waiting: tuple[str, ...] = (), table: str | None = None) -> Strike:
    return Strike(
        task_try=TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=3),
        fault=Fault(fault_class="unknown", exception="E", message="m"),
        impact=Impact(domain="market", assets=assets, downstream_tasks=waiting),
        number=3,
        action=StrikeAction.ASK_PERSON,
        reason="third",
        at=_NOW,
        circumstances=Circumstances(table=table),
    )


def test_nothing_waits_for_it() -> None:
    found = assess(_strike(), _PROJECT)
    assert (found.severity, found.reasons) == (Severity.LOW, ("nothing is known to wait for it",))


def test_later_tasks_and_assets_that_nobody_declares() -> None:
    assert assess(_strike(waiting=("gate",)), _PROJECT).severity is Severity.MEDIUM
    found = assess(_strike("other.table"), _PROJECT)
    assert (found.severity, found.consumers) == (Severity.MEDIUM, ())


def test_a_promised_table_that_people_outside_read() -> None:
    found = assess(_strike("market.stock_prices"), _PROJECT)
    assert found.severity is Severity.CRITICAL
    assert "dbt exposure data_api (market.stock_prices)" in found.consumers
    assert found.promises == ("market.stock_prices fresh within 7 d",)
    assert {"market-data", "market-data@example.com"} <= set(found.owners)
    assert assess(_strike(table="market.stock_prices"), _PROJECT).severity is Severity.CRITICAL


def test_contracts_that_cannot_be_read_leave_what_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "governance" / "contracts" / "market"
    folder.mkdir(parents=True)
    (folder / "broken.odcs.yaml").write_text("kind: [", encoding="utf-8")
    assert assess(_strike("market.stock_prices"), tmp_path).severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("alone", "task_instances", "dags", "raised"),
    [
        (Severity.LOW, 2, 1, None),
        (Severity.LOW, 3, 1, Severity.MEDIUM),
        (Severity.LOW, 2, 2, Severity.MEDIUM),
        (Severity.LOW, 10, 1, Severity.HIGH),
        (Severity.LOW, 4, 4, Severity.HIGH),
        (Severity.LOW, 40, 1, Severity.HIGH),
        (Severity.MEDIUM, 9, 3, None),
        (Severity.MEDIUM, 10, 1, Severity.HIGH),
        (Severity.MEDIUM, 10, 10, Severity.CRITICAL),
        (Severity.HIGH, 10, 1, Severity.CRITICAL),
        (Severity.CRITICAL, 400, 40, None),
    ],
)
@pytest.mark.parametrize("policy", [NOTHING, read_escalation_policy(_PROJECT / "governance" / "policies"), BUILT_IN])
def test_what_one_cause_holds_up_makes_it_worse(
    policy: EscalationPolicy, alone: Severity, task_instances: int, dags: int, raised: Severity | None
) -> None:
    found = raised_by_joins(policy, alone, task_instances, dags)
    assert (found[0] if found else None) == raised


def test_why_it_is_worse_counts_dags_where_there_are_several() -> None:
    assert raised_by_joins(NOTHING, Severity.LOW, 3, 1) == (
        Severity.MEDIUM,
        "3 task instances failed for this cause",
    )
    assert raised_by_joins(NOTHING, Severity.LOW, 5, 2) == (
        Severity.MEDIUM,
        "5 task instances of 2 Dags failed for this cause",
    )


def test_the_policy_says_how_many_are_a_crowd(tmp_path: Path) -> None:
    whole = (_PROJECT / "governance" / "policies" / "escalation.yaml").read_text(encoding="utf-8")
    before, _, after = whole.partition("severity:")
    _, _, levels = after.partition("levels:")
    for declared, expected in (
        ("severity: []\n", Severity.LOW),
        ("severity: [{dags: 5, at_least: critical}]\n", Severity.LOW),
        ("severity: [{task_instances: 50, steps: 1}]\n", Severity.MEDIUM),
        ("", Severity.HIGH),
    ):
        (tmp_path / "escalation.yaml").write_text(f"{before}{declared}levels:{levels}", encoding="utf-8")
        assert read_escalation_policy(tmp_path).severity_of(Severity.LOW, 50, 4) is expected


def test_urgency_is_never_below_the_harm() -> None:
    assert urgency_of(Urgency.LOW, Severity.CRITICAL) is Urgency.CRITICAL
    assert urgency_of(Urgency.HIGH, Severity.LOW) is Urgency.HIGH
    assert urgency_of(Urgency.LOW, Severity.LOW, is_corrupt=True) is Urgency.CRITICAL


def test_the_policy_of_this_project_escalates_on_by_urgency() -> None:
    policy = read_escalation_policy(_PROJECT / "governance" / "policies")

    def level(urgency: str, minutes: float, acknowledged: datetime | None = None) -> int:
        row = {"report": {"urgency_level": urgency}, "opened_at": _NOW, "acknowledged_at": acknowledged}
        return policy.due_level(row, _NOW + timedelta(minutes=minutes))

    assert [level("critical", minutes) for minutes in (14, 15, 44, 45)] == [0, 1, 1, 2]
    assert [level("low", minutes) for minutes in (45, 2880)] == [0, 1]
    assert [level("critical", minutes, _NOW) for minutes in (15, 45)] == [0, 2]


def test_without_a_policy_nothing_is_escalated_on(tmp_path: Path) -> None:
    assert read_escalation_policy(tmp_path) == NOTHING


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("critical: 15", "critical: 0", "10:22 expected: a number above 0 found: `levels/0/after_minutes/critical`: 0"),
        ("critical: 15", "critical: true", "expected: a valid number found: `levels/0/after_minutes/critical`: True"),
        ("critical: 15", "critical: .inf", "expected: a finite number found: `levels/0/after_minutes/critical`: inf"),
        ("acknowledged: false", "acknowledged: yes", "expected: a truth value: true or false found: `levels/0/ack"),
        ("silence_hours: 4", "silence_hours: soon", "4:1 expected: a valid number found: `silence_hours`: soon"),
        ("silence_hours: 4", "silence_hours: 0", "4:1 expected: a number above 0 found: `silence_hours`: 0"),
        (
            "acknowledged: false",
            "acknowledged: perhaps",
            "expected: a truth value: true or false found: `levels/0/ack",
        ),
        ("channels: []", "channel: []", "acknowledged, after_minutes, channels found: `levels/0/channel`: this key is"),
        ("channels: [], ", "", "expected: the key `channels` found: `levels/0`: the key is missing"),
        ("high: 60, ", "", "found: `levels/0/after_minutes`: an urgency is missing: high"),
        ("dags: 2", "dags: 1", "6:25 expected: a number from 2 found: `severity/0/dags`: 1"),
        ("steps: 1", "steps: 4", "expected: a number up to 3 found: `severity/1/steps`: 4"),
        ("at_least: medium", "at_least: medum", "`severity/0/at_least`: medum next: did you mean `medium`?"),
        ("task_instances: 3, dags: 2", "tasks: 3, dags: 2", "found: `severity/0/tasks`: this key is not known next: c"),
        ("task_instances: 3, dags: 2, ", "", "`severity/0`: a line of `severity` counts `task_instances`, `dags`"),
        (", at_least: medium", "", "`severity/0`: a line of `severity` raises it by `steps`, or says"),
        ("channels: []", "chanels: []", "`levels/0/chanels`: this key is not known next: did you mean `channels`?"),
        ("kind: escalation", "kind: alarm", "2:1 expected: one of its words: 'escalation' found: `kind`: alarm"),
        ("critical: 15, high: 60", "critical: 0, high: -1", "also wrong: line 10: `levels/0/after_minutes/high`: -1"),
    ],
)
def test_a_broken_policy_is_refused_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    whole = (_PROJECT / "governance" / "policies" / "escalation.yaml").read_text(encoding="utf-8")
    assert old in whole
    (tmp_path / "escalation.yaml").write_text(whole.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_escalation_policy(tmp_path)
    assert told in " ".join(str(caught.value).split())
    assert "escalation.yaml:" in str(caught.value)
