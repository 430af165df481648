"""`groundwork policies check`: every file with its state, what is wrong with each, and the exit code for CI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.cli import policies

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def governance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(PROJECT / "governance", tmp_path / "governance")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    return tmp_path / "governance"


def call(*words: str, code: int) -> str:
    done = CliRunner().invoke(policies.app, ["check", *words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def wrong(code: int = 1) -> dict[str, str]:
    """What is told of each file that is wrong, by its name."""
    told = json.loads(call("--json", code=code))
    found = {Path(each["file"]).name: each["problem"] for each in told["policies"] if each["problem"]}
    assert told["wrong"] == len(found)
    return {name: " ".join(str(value) for value in problem.values()) for name, problem in found.items()}


def test_the_policies_of_this_project_can_be_read(governance: Path) -> None:
    files = [*(governance / "patterns").iterdir(), *(governance / "policies").iterdir()]
    told = call(code=0).splitlines()
    assert len(told) == len(files)
    assert all(line.endswith(" ok") for line in told)
    assert any(line.split() == ["governance/policies/alarms.yaml", "alarms", "1.0.0", "ok"] for line in told)


def test_each_mistake_is_told_with_its_file(governance: Path) -> None:
    names = ["patterns/unknown.yaml", *(f"policies/{name}.yaml" for name in ("alarms", "code", "authority", "masking"))]
    for name in names:
        with (governance / name).open("a", encoding="utf-8") as file:
            file.write("\nsurprise: 1\n")
    (governance / "policies" / "backup.yaml").write_text("kind: [", encoding="utf-8")
    found = wrong()
    assert found.keys() == {"backup.yaml", *(Path(name).name for name in names)}
    assert all("surprise" in told for name, told in found.items() if name != "backup.yaml")
    shown = call(code=1)
    assert shown.count("WRONG") == len(found)
    assert "unknown.yaml:13:1" in shown


def test_a_file_that_nobody_reads_is_told(governance: Path) -> None:
    shutil.copy(governance / "policies" / "breakers.yaml", governance / "policies" / "breaker.yaml")
    (governance / "patterns" / "late.yml").write_text("name: late\ndescription: x\n", encoding="utf-8")
    (governance / "policies" / "mine.yaml").write_text("kind: mine\n", encoding="utf-8")
    found = wrong()
    assert found.keys() == {"breaker.yaml", "late.yml", "mine.yaml"}
    assert "the name `breakers.yaml`" in found["breaker.yaml"]
    assert "the name `late.yaml`" in found["late.yml"]


def test_a_project_without_patterns_is_told(governance: Path) -> None:
    shutil.rmtree(governance / "patterns")
    assert "there are no error patterns" in wrong()["patterns"]
