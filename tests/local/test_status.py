"""`groundwork status` says which policies cannot be read, whatever else runs or does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.cli.main import application
from groundwork.local.layout import Layout
from groundwork.local.ports import choose
from groundwork.local.status import Status, collect

_GOVERNANCE = Path(__file__).parents[2] / "governance"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A deployment that was made and does not run, in a project of its own."""
    made = Layout(project=tmp_path / "project", home=tmp_path / "home")
    made.prepare()
    made.airflow.mkdir(parents=True, exist_ok=True)
    (made.airflow / "airflow.cfg").touch()
    choose(made)
    shutil.copytree(_GOVERNANCE, made.project / "governance")
    return made


def test_policies_that_cannot_be_read_are_told(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    right = collect(layout)
    assert (right.policies > 10, right.policy_problems) == (True, {})
    with (layout.project / "governance" / "policies" / "breakers.yaml").open("a", encoding="utf-8") as file:
        file.write("surprise: 1\n")
    found = collect(layout)
    assert list(found.policy_problems) == ["governance/policies/breakers.yaml"]
    assert found.to_json()["policy_problems"] == found.policy_problems
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(layout.project))
    monkeypatch.setenv("GROUNDWORK_HOME", str(layout.home))
    shown = CliRunner().invoke(application, ["status"])
    assert shown.exit_code == 1
    assert ", 1 wrong" in shown.stdout
    assert "surprise" in shown.stdout


def test_a_deployment_with_a_policy_that_cannot_be_read_is_not_healthy() -> None:
    healthy = Status(is_installed=True, home="h", project="p", versions={}, import_errors={})
    assert healthy.is_healthy
    assert not replace(healthy, policy_problems={"a.yaml": "no"}).is_healthy
