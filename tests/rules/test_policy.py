"""The policy for code: places that may, what is left out, what is checked by default, and mistakes in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError
from groundwork.rules.check import check_paths, project_policy
from groundwork.rules.dag_gate import gate_dags, refusals
from groundwork.settings import Settings
from tests.rules.samples import SHOP

BAD = "def load(cursor):\n    cursor.execute('SELECT 1')\n"
POLICY = """kind: code
version: 1.0.0
check: [dags, absent]
leave_out: ["**/generated/"]
places:
  - what: where repositories live
    paths: [dags/data/]
    may: [raw_sql]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dags/data/a.py", "dags/b.py", "dags/generated/c.py", "other/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(BAD, encoding="utf-8")
    _write(tmp_path, POLICY)
    return tmp_path


def _write(project: Path, text: str) -> None:
    path = project / "governance" / "policies" / "code.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_place_may_what_it_says_and_nothing_else(project: Path) -> None:
    (project / "dags" / "data" / "e.py").write_text("import psycopg2\n", encoding="utf-8")
    report = check_paths([], project=project, domains=[])
    assert [(each.file, each.rule) for each in report.findings] == [
        ("dags/b.py", "raw_sql"),
        ("dags/data/e.py", "direct_driver"),
    ]
    assert report.files == 3


def test_named_paths_are_checked_whatever_is_the_default(project: Path) -> None:
    report = check_paths([project / "other"], project=project, domains=[])
    assert [each.file for each in report.findings] == ["other/d.py"]
    assert check_paths([project / "dags" / "generated" / "c.py"], project=project, domains=[]).files == 0


def test_without_a_file_everything_is_checked_but_dbt(tmp_path: Path) -> None:
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    (tmp_path / "dbt_project" / "models" / "x.sql").write_text("SELECT 1 FROM {{ ref('y') }}", encoding="utf-8")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "a.py").write_text(BAD, encoding="utf-8")
    report = check_paths([tmp_path], project=tmp_path, domains=[])
    assert [each.file for each in report.findings] == ["dags/a.py"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("may: [raw_sql]", "may: [raw_sqls]", "there is no rule `raw_sqls`"),
        ("kind: code", "kind: cod", "found: cod"),
        ("leave_out:", "leave:", "`leave` is not known"),
        ("check: [dags, absent]", "check: {dags: 1}", "a list is needed"),
        ("- what: where repositories live", "- wat: where repositories live", "wat"),
        ("kind: code", "kind: [", "YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(project: Path, old: str, new: str, says: str) -> None:
    assert old in POLICY
    _write(project, POLICY.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        project_policy(project)
    assert says in str(caught.value)
    assert "code.yaml" in str(caught.value)


def test_the_gate_for_dags_knows_the_contracts(project: Path) -> None:
    folder = project / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True)
    (folder / SHOP.name).write_text(SHOP.read_text(encoding="utf-8"), encoding="utf-8")
    dag = project / "dags" / "b.py"
    dag.write_text("def f(repositories):\n    return repositories['orders'].list(order=('sttus',))\n", encoding="utf-8")
    settings = Settings(project=project, home=project / "home")
    assert [each.rule for each in gate_dags(project / "dags", settings=settings).findings] == ["undeclared_column"]
    assert refusals(dag, settings=settings) == []
    dag.write_text(BAD, encoding="utf-8")
    assert [(each.rule, each.line) for each in refusals(dag, settings=settings)] == [("raw_sql", 2)]
