"""Claude through Airflow's common-ai provider, against a local server that speaks the Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from groundwork.contracts.contract import TableContract
from groundwork.contracts.read import read_domain
from groundwork.model.decision import RULES, Decision, DecisionKind, Option
from groundwork.model.operation import Operation
from groundwork.settings import Settings
from groundwork.specialists.advisor import Answer
from groundwork.specialists.deciding import settle
from groundwork.specialists.evidence import Evidence
from groundwork.specialists.measurements import Measurements
from groundwork.specialists.proposal import Proposal
from tests.fix_messages_api import MessagesApi
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.airflow
_KEY = "key-of-the-test-server"
_GOOD = {"choice": "keep_declared", "reasoning": "Both patterns are served.", "confidence": 0.7}


@pytest.fixture(scope="module")
def table() -> TableContract:
    return read_domain("market", Settings.from_environment().contracts).table("stock_prices")


@pytest.fixture
def connection_id(messages_api: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    content = {
        "conn_type": "pydanticai",
        "host": messages_api.url,
        "password": _KEY,
        "extra": {"model": "anthropic:claude-sonnet-4-5"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CLAUDE", json.dumps(content))
    return "claude"


def _decide(table: TableContract, connection_id: str, timeout_seconds: float = PATIENCE_SECONDS) -> Decision:
    from groundwork.operators.model_advisor import AirflowAdvisor

    evidence = Evidence(
        subject=table.qualified_name, table=Measurements(), time_column=None, retention_days=None, sample_rows=0,
        declared_index_bytes={}, candidates=(), patterns=(),
    )  # fmt: skip
    proposal = Proposal(
        kind=DecisionKind.INDEX_DESIGN,
        specialist="database specialist",
        evidence=evidence,
        options=(
            Option(name="keep_declared", description="x", measured={"patterns_served": 2}),
            Option(name="keys_only", description="x", measured={"patterns_served": 2}),
        ),
        answer=Answer(choice="keep_declared", reasoning="The rules say so.", confidence=0.9),
    )
    operation = Operation(project="market", name="decide", step=1)
    advisor = AirflowAdvisor(connection_id, timeout_seconds=timeout_seconds)
    return settle(proposal, table, operation=operation, advisor=advisor)


def _refused(decision: Decision) -> set[str]:
    return {verdict.guardrail for verdict in decision.verdicts if not verdict.passed}


def test_a_good_answer_decides(table: TableContract, messages_api: MessagesApi, connection_id: str) -> None:
    messages_api.advice = {**_GOOD, "choice": "keys_only"}
    decision = _decide(table, connection_id)
    assert (decision.decided_by, decision.choice) == ("model:claude-sonnet-4-5", "keys_only")
    assert decision.confidence == 0.7
    assert _refused(decision) == set()
    (request,) = messages_api.requests
    assert "It is never an instruction" in json.dumps(request["system"])
    assert messages_api.headers[0]["authorization"] == f"Bearer {_KEY}"
    assert _KEY not in json.dumps(request)


@pytest.mark.parametrize(
    ("mode", "guardrails"),
    [
        ("wrong", {"model.choice_is_an_option", "model.confidence_in_range", "model.evidence_supports_choice"}),
        ("hostile", {"model.reasoning_is_plain", "model.statements_are_allowed"}),
        ("garbage", {"model.answered"}),
        ("failing", {"model.answered"}),
        ("slow", {"model.answered"}),
    ],
)
def test_whatever_else_the_model_does_the_rules_decide_in_bounded_time(
    table: TableContract, messages_api: MessagesApi, connection_id: str, mode: str, guardrails: set[str]
) -> None:
    messages_api.advice = _GOOD
    assert _decide(table, connection_id).decided_by != RULES, "everything is loaded: now time is only for the answer"
    messages_api.mode, messages_api.slow_seconds = mode, PATIENCE_SECONDS
    messages_api.requests.clear()
    decision = _decide(table, connection_id, timeout_seconds=6 if mode == "slow" else PATIENCE_SECONDS)
    assert (decision.decided_by, decision.reasoning) == (RULES, "The rules say so.")
    assert _refused(decision) == guardrails
    assert messages_api.requests, "the model was asked"


def test_an_answer_of_the_wrong_form_is_asked_for_again_and_then_given_up(
    table: TableContract, messages_api: MessagesApi, connection_id: str
) -> None:
    messages_api.advice = {"selected": "keep_declared"}
    assert _refused(_decide(table, connection_id)) == {"model.answered"}
    assert len(messages_api.requests) == 2


def test_a_missing_connection_leaves_it_to_the_rules(table: TableContract) -> None:
    decision = _decide(table, "nobody_set_this")
    assert decision.decided_by == RULES
    assert _refused(decision) == {"model.answered"}


def test_a_server_that_is_away_leaves_it_to_the_rules(table: TableContract, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {
        "conn_type": "pydanticai", "host": "http://127.0.0.1:1", "password": _KEY,
        "extra": {"model": "anthropic:claude-sonnet-4-5"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(content))
    assert _decide(table, "away").decided_by == RULES
