"""`groundwork rules`: exit codes, forms of output, pages of rules, and what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PROCESS_SECONDS
from tests.rules.samples import SHOP

BAD = "def load(cursor, key):\n    cursor.execute('SELECT * FROM orders WHERE order_id = %s', (key,))\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True)
    (folder / SHOP.name).write_text(SHOP.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "a.py").write_text("x = 1\n", encoding="utf-8")
    return tmp_path


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "groundwork.cli", "rules", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_SECONDS,
        cwd=project,
        env={**os.environ, "GROUNDWORK_PROJECT": str(project), "GROUNDWORK_HOME": str(project / "home")},
    )


def test_nothing_refused_exits_0(project: Path) -> None:
    done = _run(project, "check")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "1 files, 0 refused, 0 allowed" in done.stderr


def test_a_refusal_exits_1_with_line_and_call(project: Path) -> None:
    (project / "dags" / "b.py").write_text(BAD, encoding="utf-8")
    done = _run(project, "check", "dags")
    assert done.returncode == 1
    assert "dags/b.py:2:5: error raw_sql" in done.stdout
    assert "| cursor.execute(" in done.stdout
    assert 'fix: Repositories(engine, domain)["orders"].get(key)' in done.stdout


def test_json_holds_findings_and_what_is_allowed(project: Path) -> None:
    text = BAD.replace("(key,))", "(key,))  # groundwork: allow raw_sql a probe of the server")
    (project / "dags" / "b.py").write_text(BAD + text, encoding="utf-8")
    done = _run(project, "check", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(each["rule"], each["line"], each["end_line"]) for each in found["findings"]] == [("raw_sql", 2, 2)]
    assert [(each["line"], each["reason"]) for each in found["allowed"]] == [(4, "a probe of the server")]
    assert "allowed raw_sql: a probe" in _run(project, "check", "--allowed").stdout


def test_sarif_to_a_file_and_to_the_output(project: Path) -> None:
    (project / "dags" / "b.py").write_text(BAD, encoding="utf-8")
    done = _run(project, "check", "--sarif", "out.sarif")
    assert done.returncode == 1
    assert "raw_sql" in done.stdout
    log = json.loads((project / "out.sarif").read_text(encoding="utf-8"))
    printed = _run(project, "check", "--sarif", "-")
    assert printed.returncode == 1
    assert json.loads(printed.stdout) == log
    assert log["runs"][0]["results"][0]["ruleId"] == "raw_sql"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "nowhere.py"], "no file or folder"),
        (["check", "--json", "--sarif", "-"], "one form"),
        (["check", "--sarif", "no/such/folder/x"], "cannot be written"),
        (["explain", "nothing"], "there is no rule `nothing`"),
    ],
)
def test_what_cannot_be_done_exits_2(project: Path, arguments: list[str], says: str) -> None:
    done = _run(project, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_policy_exits_2(project: Path) -> None:
    (project / "governance" / "policies").mkdir()
    (project / "governance" / "policies" / "code.yaml").write_text("kind: code\n", encoding="utf-8")
    done = _run(project, "check")
    assert done.returncode == 2
    assert "code.yaml" in done.stderr


def test_rules_are_listed_and_explained(project: Path) -> None:
    listed = json.loads(_run(project, "list", "--json").stdout)["rules"]
    assert {"raw_sql", "direct_driver", "own_session", "undeclared_column"} <= {each["rule"] for each in listed}
    assert "raw_sql" in _run(project, "list").stdout
    explained = _run(project, "explain", "raw_sql")
    assert explained.returncode == 0
    assert "Instead:" in explained.stdout
    assert "Instead:" in json.loads(_run(project, "explain", "raw_sql", "--json").stdout)["manual"]
