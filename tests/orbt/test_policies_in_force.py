"""What holds around a strike while a policy cannot be read: never nothing, and of what restrains never more."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError
from groundwork.model.fault import UNKNOWN, Urgency
from groundwork.orbt.classify import classify
from groundwork.orbt.incidents.escalation_in_force import BUILT_IN, escalation_policy_in_force
from groundwork.orbt.incidents.escalation_policy import read_escalation_policy
from groundwork.orbt.incidents.notifications import Message
from groundwork.orbt.incidents.notifications_in_force import notification_policy_in_force
from groundwork.orbt.patterns import patterns_in_force, read_patterns, readable_patterns
from groundwork.orbt.policy_check import MODELS, healing_policies
from groundwork.orbt.remedies.catalogue import REMEDIES, remedy
from groundwork.orbt.remedies.policy import read_permission
from groundwork.orbt.tries.breaker import BreakerPolicy, breaker_policy_in_force, read_breaker_policy

_PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("patterns", "policies"):
        shutil.copytree(_PROJECT / "governance" / name, tmp_path / "governance" / name)
    return tmp_path


@pytest.fixture
def policies(project: Path) -> Path:
    return project / "governance" / "policies"


@pytest.fixture
def patterns(project: Path) -> Path:
    return project / "governance" / "patterns"


def mistype(path: Path, line: str = "backof: {base_seconds: 1}") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def test_a_pattern_that_cannot_be_read_is_left_out_told_once_and_holds_once_corrected(
    patterns: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = patterns / "connection_failures.yaml"
    right = path.read_text(encoding="utf-8")
    mistype(path)
    with caplog.at_level(logging.ERROR):
        found = [patterns_in_force(patterns) for _ in range(2)][-1]
    assert [each.name for each in caplog.records] == ["groundwork.orbt.policy_in_force"]
    assert "connection_failures.yaml" in caplog.text
    assert classify(ConnectionResetError("gone"), found).fault_class == UNKNOWN
    assert found.named("connection_failures").name == UNKNOWN
    assert classify(KeyError("typo"), found).fault_class == "programming_error"
    path.write_text(right, encoding="utf-8")
    assert classify(ConnectionResetError("gone"), patterns_in_force(patterns)).fault_class == "connection_failures"


@pytest.mark.parametrize(
    "content", ["name: [", "", "- 1", "name: x\ndescription: y\nsignals: {messages: ['a{99999999999999999999}']}"]
)
def test_whatever_is_wrong_with_a_file_the_others_hold(patterns: Path, content: str) -> None:
    count = len(list(patterns.glob("*.yaml")))
    (patterns / "x.yaml").write_text(content, encoding="utf-8")
    found, (problem,) = readable_patterns(patterns)
    assert len(list(found)) == count
    assert "x.yaml" in str(problem.where)
    assert len(list(patterns_in_force(patterns))) == count


def test_without_any_pattern_failures_are_unknown(tmp_path: Path) -> None:
    found = patterns_in_force(tmp_path)
    assert classify(KeyError("x"), found).fault_class == UNKNOWN
    assert found.named(UNKNOWN).is_retriable


def test_read_strictly_all_mistakes_are_told_at_once(patterns: Path) -> None:
    for name in ("unknown.yaml", "schema_drift.yaml"):
        mistype(patterns / name)
    with pytest.raises(ConfigError, match="2 error patterns cannot be read") as caught:
        read_patterns(patterns)
    for words in ("unknown.yaml:", "schema_drift.yaml:", "`backof`"):
        assert words in str(caught.value)


def test_breakers_keep_their_defaults(policies: Path) -> None:
    mistype(policies / "breakers.yaml")
    with pytest.raises(ConfigError):
        read_breaker_policy(policies)
    assert breaker_policy_in_force(policies) == BreakerPolicy()


def test_unanswered_incidents_are_escalated_on_as_before_or_as_built_in(policies: Path) -> None:
    path = policies / "escalation.yaml"
    right = path.read_text(encoding="utf-8")
    mistype(path)
    assert escalation_policy_in_force(policies) == BUILT_IN
    assert [level.after_minutes[Urgency.CRITICAL] for level in BUILT_IN.levels] == [15, 45]
    path.write_text(right.replace("silence_hours: 4 ", "silence_hours: 9 "), encoding="utf-8")
    assert escalation_policy_in_force(policies).silence_hours == 9
    mistype(path)
    assert escalation_policy_in_force(policies).silence_hours == 9


def test_what_is_built_in_for_escalation_is_what_is_delivered() -> None:
    assert read_escalation_policy(_PROJECT / "governance" / "policies").levels == BUILT_IN.levels


@pytest.mark.parametrize(
    ("channels", "routes", "expected"),
    [
        ("{duty: {kind: webhook, connection: c}}", "[{channels: [duty]}, {chanels: [duty]}]", ("duty", "log")),
        ("{a: {kind: slack}, b: {kind: webhook, connection: c}}", "[{channels: [a]}, {channels: [b]}]", ("b", "log")),
        ("{duty: {kind: slack}}", "[]", ("log",)),
        ("nonsense", "[]", ("log",)),
        ("{", "", ("log",)),
    ],
)  # fmt: skip
def test_people_are_told_by_the_routes_that_can_be_read(
    tmp_path: Path, channels: str, routes: str, expected: tuple[str, ...]
) -> None:
    text = f"kind: notifications\nversion: '1'\nnonsense: 1\nchannels: {channels}\nroutes: {routes}\n"
    (tmp_path / "notifications.yaml").write_text(text, encoding="utf-8")
    message = Message(subject="1", event="opened", title="t", text="t")
    assert notification_policy_in_force(tmp_path).channels_for(message) == expected


def test_remedies_that_change_something_do_not_run_while_their_policy_is_wrong(project: Path) -> None:
    path = project / "governance" / "policies" / "remedies.yaml"
    text = "{end_blockers: {mode: never}, create_index: {mode: run, settngs: {}}, explain_statement: {secnds: 1}}"
    path.write_text(f"kind: remedies\nversion: 1.0.0\nremedies: {text}\n", encoding="utf-8")
    for name in REMEDIES:
        found = remedy(name)
        if found.is_writing or name == "explain_statement":
            with pytest.raises(ConfigError, match=r"cannot be read"):
                read_permission(found, project)
    assert read_permission(remedy("end_blockers"), project).mode == "never"
    assert read_permission(remedy("reset_connections"), project).mode == "run"


@pytest.mark.parametrize(
    "text", ["remedies: {end_blokers: {mode: never}}", "remedis: {}", "remedies: [", "remedies:", "remedies: [1]"]
)
def test_nothing_runs_where_a_mistake_can_be_about_any_remedy(project: Path, text: str) -> None:
    path = project / "governance" / "policies" / "remedies.yaml"
    path.write_text(f"kind: remedies\nversion: 1.0.0\n{text}\n", encoding="utf-8")
    for name in REMEDIES:
        with pytest.raises(ConfigError, match=r"cannot be read"):
            read_permission(remedy(name), project)


def test_policies_that_lost_the_one_of_remedies_let_nothing_change_a_database_by_itself(project: Path) -> None:
    (project / "governance" / "policies" / "remedies.yaml").unlink()
    modes = {name: read_permission(remedy(name), project).mode for name in REMEDIES}
    assert {modes[name] for name in REMEDIES if remedy(name).is_writing} == {"propose"}
    assert modes["reset_connections"] == "run"


def test_every_file_is_checked(project: Path) -> None:
    found = healing_policies(project)
    assert [each.problem for each in found] == [None] * len(found)
    assert {each.file for each in found} >= {f"governance/policies/{name}" for name in MODELS}
    for name in MODELS:
        mistype(project / "governance" / "policies" / name)
    wrong = {each.file for each in healing_policies(project) if each.problem is not None}
    assert wrong == {f"governance/policies/{name}" for name in MODELS}
