"""What lists of incidents show, in what order, to whom: asked of a real store."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from groundwork.model.incident import Severity, Stage, needs_review, stage_of
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_list import NOT_OVER, OVER, UNANSWERED, IncidentFilter
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_NOW = utc_now()
_STATES: dict[Stage, dict[str, Any]] = {
    Stage.OPEN: {"state": "open"},
    Stage.ACKNOWLEDGED: {"state": "open", "acknowledged_at": _NOW},
    Stage.ANSWERED: {"state": "answered", "acknowledged_at": _NOW, "answer": "retry"},
    Stage.RESOLVED: {"state": "resolved", "resolved_at": _NOW},
    Stage.REVIEWED: {"state": "resolved", "resolved_at": _NOW, "reviewed_at": _NOW},
}


@pytest.fixture(scope="module")
def store(module_database: Database) -> Engine:
    """Every stage with every severity, the worse ones newer, three of each: of Dag `a`, `b`, both; one of no task."""
    migrate(module_database.engine)
    rows = [
        row(stage, severity, minutes=10 * number + 4 - severity.rank, dags=dags)
        for stage in Stage
        for severity in Severity
        for number, dags in enumerate((["a"], ["b"], ["b", "a"]))
    ]
    rows.append(row(Stage.OPEN, Severity.LOW, minutes=500, dags=[]))
    with module_database.engine.begin() as connection:
        for each in rows:
            connection.execute(INCIDENT.insert().values(**each))
    return module_database.engine


def row(stage: Stage, severity: Severity, *, minutes: int, dags: list[str]) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "cause": f"task:{stage}:{severity}:{minutes}",
        "domain": "market",
        "subject": "load",
        "fault_class": "slow_queries" if severity is Severity.HIGH else "unknown",
        "severity": severity.value,
        "report": {},
        "assessment": {"owners": ["ann", "o'\"neil"] if severity is Severity.HIGH else []},
        "evidence": [],
        "affected": [{"dag_id": dag, "task_id": "t", "run_id": "r", "map_index": -1} for dag in dags],
        "timeline": [],
        "opened_at": _NOW - timedelta(minutes=minutes),
        **_STATES[stage],
    }


def test_what_is_not_over_comes_open_first_then_the_worst_then_the_oldest(store: Engine) -> None:
    found = Incidents(store).listed(IncidentFilter(stages=NOT_OVER), 1000)
    places = [(each["state"] != "open", -Severity(each["severity"]).rank, each["opened_at"]) for each in found]
    assert len(found) == 3 * 4 * 3 + 1
    assert places == sorted(places)


def test_what_is_over_comes_owed_reviews_first_then_the_newest(store: Engine) -> None:
    found = Incidents(store).listed(IncidentFilter(stages=OVER), 1000)
    owed = [needs_review(each) for each in found]
    assert sum(owed) == Incidents(store).tally().unreviewed == 3
    assert all(owed[:3])
    ends = [each["resolved_at"] for each in found[3:]]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_stage_in_sql_is_the_stage_of_a_row(store: Engine, stage: Stage) -> None:
    found = Incidents(store).listed(IncidentFilter(stages={stage}), 1000)
    assert {stage_of(each) for each in found} == {stage}
    assert len(found) == Incidents(store).count(IncidentFilter(stages={stage})) == 12 + (stage is Stage.OPEN)


def test_filters_hold_together_and_before_the_cut(store: Engine) -> None:
    incidents = Incidents(store)
    chosen = IncidentFilter(stages=UNANSWERED, severity=Severity.HIGH, fault_class="slow_queries", domain="market")
    assert incidents.count(chosen) == 6
    assert {each["severity"] for each in incidents.listed(chosen, 2)} == {"high"}
    assert incidents.count(IncidentFilter(domain="nowhere")) == 0
    assert incidents.count(IncidentFilter(stages=frozenset())) == 0


def test_pages_hold_every_incident_once(store: Engine) -> None:
    incidents, chosen = Incidents(store), IncidentFilter()
    found = [each["id"] for offset in range(0, 100, 7) for each in incidents.listed(chosen, 7, offset)]
    assert len(found) == len(set(found)) == incidents.count(chosen) == 61


@pytest.mark.parametrize(
    ("dags", "expected"), [(["a"], 41), (["b"], 41), (["a", "b"], 61), ([], 1), (["no' \"dag"], 1)], ids=str
)
def test_whoever_sees_no_dag_of_an_incident_neither_sees_nor_counts_it(
    store: Engine, dags: list[str], expected: int
) -> None:
    incidents, chosen = Incidents(store), IncidentFilter(dags=dags)
    tally = incidents.tally(chosen)
    assert incidents.count(chosen) == tally.open + tally.answered + tally.over == expected
    seen = [{each["dag_id"] for each in found["affected"]} for found in incidents.listed(chosen, 1000)]
    assert all(not names or names & set(dags) for names in seen)
    assert incidents.dags() == {"a", "b"}


def test_the_tally_counts_by_what_has_to_be_done(store: Engine) -> None:
    tally = Incidents(store).tally()
    assert (tally.open, tally.answered, tally.over, tally.unreviewed) == (25, 12, 24, 3)
    assert tally.oldest_at == _NOW - timedelta(minutes=500)


@pytest.mark.parametrize("stage", [None, *Stage], ids=str)
def test_the_tally_counts_what_is_listed_and_nothing_else(store: Engine, stage: Stage | None) -> None:
    """Whatever narrows a list narrows its count in the same way."""
    incidents, stages = Incidents(store), None if stage is None else {stage}
    for chosen in (
        IncidentFilter(stages=stages, severity=Severity.HIGH),
        IncidentFilter(stages=stages, dag="a", fault_class="slow_queries"),
        IncidentFilter(stages=stages, owner="ann", dags=["b"]),
    ):
        found = incidents.listed(chosen, 1000)
        tally = incidents.tally(chosen)
        assert found
        assert tally.open == sum(each["state"] == "open" for each in found)
        assert tally.answered == sum(each["state"] == "answered" for each in found)
        assert tally.over == sum(each["state"] == "resolved" for each in found)
        assert tally.unreviewed == sum(map(needs_review, found))


def test_a_dag_and_an_owner_narrow(store: Engine) -> None:
    incidents = Incidents(store)
    of_a = incidents.listed(IncidentFilter(dag="a"), 1000)
    assert len(of_a) == 40
    assert all("a" in {each["dag_id"] for each in found["affected"]} for found in of_a)
    assert incidents.count(IncidentFilter(owner="o'\"neil")) == 15
    assert incidents.count(IncidentFilter(owner="o'")) == 0, "a part of a name is not the name"
    assert incidents.count(IncidentFilter(dag="no' \"dag")) == 0


def test_nothing_is_told_by_a_dag_that_somebody_may_not_see(store: Engine) -> None:
    """Some incidents are of both Dags: who sees only one of them must not learn that the other is part of it."""
    assert Incidents(store).count(IncidentFilter(dag="a", dags=["b"])) == 0
    assert Incidents(store).count(IncidentFilter(dag="b", dags=["b"])) == 40


def test_what_can_be_chosen_is_what_somebody_may_see(store: Engine) -> None:
    every, none = Incidents(store).choices(), Incidents(store).choices([])
    assert (every.domains, every.classes) == (("market",), ("slow_queries", "unknown"))
    assert every.owners == ("ann", "o'\"neil")
    assert (none.classes, none.owners) == (("unknown",), ())
