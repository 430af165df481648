"""Whose failure an exception is, and the policy of breakers."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy.exc

from groundwork.flow.sources.http_client import ApiAwayError
from groundwork.model.errors import ConfigError, RetriableError
from groundwork.orbt.tries.attribution import Candidate, culprit
from groundwork.orbt.tries.breaker import BreakerPolicy, read_breaker_policy, wait_seconds
from groundwork.store.admission import Blocked
from groundwork.store.breaker import BreakerRule

WAREHOUSE = Candidate(connection_id="warehouse", kind="postgres", host="db.example.com", port=5432)
SHOP = Candidate(connection_id="shop", kind="postgres", host="shop.example.com", port=5433)
API = Candidate(connection_id="api", kind="http", host="https://api.example.com", port=None)
ALL = (WAREHOUSE, SHOP, API)


def whose(error: BaseException, *candidates: Candidate) -> str | None:
    return culprit(error, lambda: candidates or ALL)


def raised_from(cause: BaseException) -> BaseException:
    error = RetriableError("the load stopped")
    error.__cause__ = cause
    return error


def asked(url: str) -> httpx.Request:
    return httpx.Request("GET", url)


@pytest.mark.parametrize(
    ("error", "target"),
    [
        (psycopg.OperationalError("gone"), "connection:warehouse"),
        (psycopg.OperationalError('connection to server at "shop.example.com", port 5433 failed'), "connection:shop"),
        (sqlalchemy.exc.OperationalError("", {}, psycopg.OperationalError("x")), "connection:warehouse"),
        (raised_from(psycopg.OperationalError("gone")), "connection:warehouse"),
        (httpx.ReadTimeout("slow", request=asked("https://api.example.com/v1")), "connection:api"),
        (httpx.ReadTimeout("slow", request=asked("https://other.example.com/v1?key=s")), "source:https://other.example.com"),
        (httpx.ReadTimeout("slow", request=asked("http://other:8080/")), "source:http://other:8080"),
        (httpx.ReadTimeout("nobody knows where"), "connection:api"),
        (ConnectionResetError("of nobody knows whom"), None),
        (KeyError("a mistake"), None),
    ],
)  # fmt: skip
def test_a_failure_is_of_the_target_whose_driver_raised(error: BaseException, target: str | None) -> None:
    assert whose(error) == target


def test_a_source_says_whose_it_is() -> None:
    error = ApiAwayError("the API did not answer")
    error.target_connection = "rates"
    assert whose(raised_from(error)) == "connection:rates"


def test_nothing_is_looked_up_where_no_driver_raised() -> None:
    def never() -> tuple[Candidate, ...]:
        raise AssertionError("looked up")

    assert culprit(ValueError("x"), never) is None


def test_a_database_without_candidates_is_nobodys() -> None:
    assert whose(psycopg.OperationalError("gone"), API) is None


def test_rules_of_targets_replace_the_default_one_by_one(tmp_path: Path) -> None:
    text = """
    kind: breakers
    default: {threshold: 3}
    targets:
      "connection:api_*": {cool_down_seconds: 5}
    """
    (tmp_path / "breakers.yaml").write_text(text, encoding="utf-8")
    policy = read_breaker_policy(tmp_path)
    assert policy.rule("connection:shop") == BreakerRule(threshold=3)
    assert policy.rule("connection:api_rates") == BreakerRule(threshold=3, cool_down_seconds=5)
    assert read_breaker_policy(tmp_path / "none").rule("connection:shop") == BreakerRule()


def test_the_policy_of_this_project_is_read() -> None:
    folder = Path(__file__).parents[3] / "governance" / "policies"
    assert read_breaker_policy(folder).rule("connection:warehouse") == BreakerRule()


@pytest.mark.parametrize(
    "text",
    [
        "targets: {shop: {threshold: 2}}",
        "default: {threshold: 0}",
        "default: {cool_down_seconds: 100, max_cool_down_seconds: 10}",
        "defaults: {}",
        "kind: [",
    ],
)
def test_a_policy_that_is_not_right_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "breakers.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"breakers\.yaml"):
        read_breaker_policy(tmp_path)


def test_waiting_has_bounds() -> None:
    def blocked(seconds: float, *, is_held: bool = False) -> Blocked:
        return Blocked(target="connection:shop", seconds=seconds, is_held=is_held, reason="")

    assert wait_seconds((blocked(0),)) == 15
    assert wait_seconds((blocked(7), blocked(40))) == 40
    assert wait_seconds((blocked(4000),)) == 300
    assert wait_seconds((blocked(0, is_held=True),)) == 300
    assert BreakerPolicy().rule("connection:x") == BreakerRule()
