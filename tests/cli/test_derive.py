"""`derive`: every target, exit codes, losses on stderr or in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.samples import SHOP_TEXT
from tests.patience import PROCESS_SECONDS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True)
    (folder / "shop.odcs.yaml").write_text(SHOP_TEXT, encoding="utf-8")
    return tmp_path


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "GROUNDWORK_PROJECT": str(project), "GROUNDWORK_HOME": str(project / "home")}
    command = [sys.executable, "-m", "groundwork.cli", "derive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROCESS_SECONDS, env=variables)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ddl", 'CREATE SCHEMA IF NOT EXISTS "shop";'),
        ("sqlalchemy", "customers = Table("),
        ("json-schema", '"$schema": "https://json-schema.org/draft/2020-12/schema"'),
        ("dbt", "name: customers"),
        ("gx", "expect_column_values_to_not_be_null"),
        ("api", '"openapi": "3.1.0"'),
    ],
)
def test_every_target(project: Path, target: str, words: str) -> None:
    done = _run(project, target, "shop")
    assert (done.returncode, words in done.stdout) == (0, True), done.stderr
    assert "declared values are not in it" in done.stderr
    done = _run(project, target, "customers", "--json", "--strict", "--output", str(project / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    written = json.loads((project / "out").read_text())
    assert (written["target"], written["table"], words in written["text"]) == (target, "shop.customers", True)
    assert {"file", "pointer", "what", "why"} == set(written["losses"][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["orm", "shop"], "one of ddl"),
        (["ddl", "nothing"], "nothing is called `nothing`"),
        (["ddl", "shop", "--output", "/nowhere/x"], "cannot be written"),
    ],
)
def test_what_cannot_be_made_exits_2(project: Path, arguments: list[str], words: str) -> None:
    done = _run(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_only_domain_needs_no_name(project: Path) -> None:
    assert _run(project, "dbt").returncode == 0
    (project / "governance" / "contracts" / "other").mkdir()
    (project / "governance" / "contracts" / "other" / "o.odcs.yaml").write_text(SHOP_TEXT)
    done = _run(project, "dbt")
    assert (done.returncode, "which domain is meant?" in done.stderr) == (2, True)
