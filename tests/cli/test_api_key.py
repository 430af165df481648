"""`groundwork api-key`: the token on stdout once, everything else without it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from groundwork.cli.api_key import app
from groundwork.model.errors import ConfigError
from groundwork.store.api_key import ApiKeys, Refusal
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    migrate(database.engine)
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    return CliRunner()


def test_issue_prints_the_token_once(run: CliRunner, database: Database) -> None:
    made = run.invoke(app, ["issue", "market_reader", "--name", "a report"])
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert ApiKeys(database.engine).verify(token).refusal is None
    assert token not in made.stderr
    listed = run.invoke(app, ["list"])
    assert "a report" in listed.stdout
    assert token.rpartition("_")[2] not in listed.stdout
    assert ApiKeys(database.engine).list()[0].created_by.startswith("cli:")


def test_json_of_every_command(run: CliRunner, database: Database) -> None:
    made = json.loads(run.invoke(app, ["issue", "market_engineer", "--name", "x", "--days", "3", "--json"]).stdout)
    assert made["role"] == "market_engineer"
    rotated = json.loads(run.invoke(app, ["rotate", made["key_id"], "--overlap-hours", "1", "--json"]).stdout)
    assert rotated["replaces"] == made["key_id"]
    listed = json.loads(run.invoke(app, ["list", "--json"]).stdout)
    assert [key["key_id"] for key in listed] == [made["key_id"], rotated["key_id"]]
    assert not [key for key in listed if "token" in key]
    ended = json.loads(run.invoke(app, ["revoke", rotated["key_id"], "--json"]).stdout)
    assert ended["revoked_at"]
    assert ApiKeys(database.engine).verify(rotated["token"]).refusal is Refusal.REVOKED
    everything = json.loads(run.invoke(app, ["list", "--all", "--json"]).stdout)
    assert len(everything) == 2


def test_a_role_that_no_contract_declares(run: CliRunner, database: Database) -> None:
    refused = run.invoke(app, ["issue", "postgres", "--name", "x"])
    assert isinstance(refused.exception, ConfigError)
    assert "market_engineer" in str(refused.exception)
    assert ApiKeys(database.engine).list() == ()


@pytest.mark.parametrize(
    "arguments", [["issue", "market_reader"], ["issue", "market_reader", "--name", "x", "--days", "0"]]
)
def test_wrong_arguments(run: CliRunner, arguments: list[str]) -> None:
    assert run.invoke(app, ["issue", "market_reader", *arguments]).exit_code == 2
