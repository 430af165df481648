"""The gate for our own Dags: they reach data as every user's Dag has to."""

from __future__ import annotations

from pathlib import Path

from groundwork.rules.dag_gate import gate_dags
from groundwork.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]


def test_the_dags_pass_the_gate() -> None:
    report = gate_dags(PROJECT / "dags", settings=Settings(project=PROJECT, home=PROJECT / ".groundwork"))
    assert report.files > 0
    assert [str(finding) for finding in report.findings] == []
