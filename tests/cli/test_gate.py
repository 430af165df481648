"""`groundwork gate`: what it prints and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.change.apply import migrate_domain
from groundwork.cli import gate
from groundwork.model.errors import ConfigError
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.foundation.release.test_gates import library

pytestmark = pytest.mark.postgres


@pytest.fixture
def project(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A project with the library, made but neither filled nor validated."""
    contracts = tmp_path / "governance" / "contracts"
    contracts.mkdir(parents=True)
    migrate(database.engine)
    migrate_domain(database.engine, library(contracts))
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    monkeypatch.setattr("groundwork.operators.connections.scratch_engine", lambda _: database.engine)
    return database


def test_a_gate_that_blocks_exits_with_1_and_says_why(project: Database) -> None:
    done = CliRunner().invoke(gate.app, ["library", "--only", "schema_reviewed", "--only", "data_validated"])
    assert done.exit_code == 1
    assert "passes     schema_reviewed" in done.stdout
    assert "BLOCKS     data_validated" in done.stdout
    assert "next step: run the Dag `validation`" in done.stdout
    assert "blocked by 1 of 2 gates" in done.stdout


def test_gates_that_pass_exit_with_0_as_json(project: Database) -> None:
    done = CliRunner().invoke(gate.app, ["check", "library", "--only", "schema_reviewed", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["is_passed"]
    assert [row["gate"] for row in told["gates"]] == ["schema_reviewed"]


def test_an_override_lets_it_pass_and_is_audited(project: Database) -> None:
    words = ["--person", "Ana Lima", "--reason", "validated by hand today", "--hours", "2"]
    done = CliRunner().invoke(gate.app, ["override", "library", "data_validated", *words])
    assert done.exit_code == 0
    assert "data_validated of library passes for 2 h (Ana Lima)" in done.stdout
    assert AuditTrail(project.engine).latest(1)[0]["details"]["person"] == "Ana Lima"
    again = CliRunner().invoke(gate.app, ["library", "--only", "data_validated"])
    assert again.exit_code == 0
    assert "OVERRIDDEN data_validated" in again.stdout


def test_an_unknown_gate_and_an_unknown_domain_are_refused_before_anything_is_measured(project: Database) -> None:
    for arguments in (["library", "--only", "luck"], ["nowhere"]):
        done = CliRunner().invoke(gate.app, arguments)
        assert isinstance(done.exception, ConfigError)
        assert "measuring" not in done.stderr
    override = ["override", "library", "data_validated", "--person", " ", "--reason", "no reason at all"]
    assert isinstance(CliRunner().invoke(gate.app, override).exception, ConfigError)
